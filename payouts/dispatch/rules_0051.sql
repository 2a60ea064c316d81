-- Stored files are sealed, as migration 0051 installs it; replaces the two triggers of rules_payment_orders.sql.

-- A file's bytes never change: a file built again would be another file to the bank, and be paid again. Only `data_key` may, when the key ring is
-- rotated: another key does not open the bytes, so that one cannot be put in the place of another.
CREATE TRIGGER rail_file_sealed BEFORE UPDATE ON payouts_railfile FOR EACH ROW
    WHEN ((OLD.id, OLD.public_id, OLD.run_id, OLD.rail, OLD.bank_profile, OLD.file_name, OLD.message_id, OLD.sha256, OLD.orders_count,
           OLD.control_sum_minor, OLD.currency, OLD.execute_on, OLD.created_at, OLD.sealed, OLD.sealed_sha256)
          IS DISTINCT FROM
          (NEW.id, NEW.public_id, NEW.run_id, NEW.rail, NEW.bank_profile, NEW.file_name, NEW.message_id, NEW.sha256, NEW.orders_count,
           NEW.control_sum_minor, NEW.currency, NEW.execute_on, NEW.created_at, NEW.sealed, NEW.sealed_sha256))
    EXECUTE FUNCTION dispatch_refuse_change('a stored file is sealed');
CREATE TRIGGER bank_file_sealed BEFORE UPDATE ON payouts_bankfile FOR EACH ROW
    WHEN ((OLD.public_id, OLD.sha256, OLD.identity, OLD.sealed, OLD.sealed_sha256, OLD.received_at)
          IS DISTINCT FROM (NEW.public_id, NEW.sha256, NEW.identity, NEW.sealed, NEW.sealed_sha256, NEW.received_at))
    EXECUTE FUNCTION dispatch_refuse_change('a stored bank file is sealed');
