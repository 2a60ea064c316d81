-- The content of a payout stays frozen, as migration 0052 installs it; replaces the trigger of rules_payout_runs.sql.

-- It looks at an update only when that names one of these columns: an approval of 100,000 payouts names none, and compared eighteen of each.
-- A column that is not named cannot change: no other trigger of the table writes a row.
CREATE TRIGGER payout_content_frozen
    BEFORE UPDATE OF id, public_id, run_id, seller_id, payee_account_id, currency, amount_minor, rail, instant, available_account_id,
        lines_after_entry_id, lines_upto_entry_id, built_entry_id, brought_forward_minor, carried_forward_minor, maker, reference, built_at
    ON payouts_payout FOR EACH ROW
    WHEN ((OLD.id, OLD.public_id, OLD.run_id, OLD.seller_id, OLD.payee_account_id, OLD.currency, OLD.amount_minor, OLD.rail, OLD.instant,
           OLD.available_account_id, OLD.lines_after_entry_id, OLD.lines_upto_entry_id, OLD.built_entry_id,
           OLD.brought_forward_minor, OLD.carried_forward_minor, OLD.maker, OLD.reference, OLD.built_at)
          IS DISTINCT FROM
          (NEW.id, NEW.public_id, NEW.run_id, NEW.seller_id, NEW.payee_account_id, NEW.currency, NEW.amount_minor, NEW.rail, NEW.instant,
           NEW.available_account_id, NEW.lines_after_entry_id, NEW.lines_upto_entry_id, NEW.built_entry_id,
           NEW.brought_forward_minor, NEW.carried_forward_minor, NEW.maker, NEW.reference, NEW.built_at))
    EXECUTE FUNCTION payout_refuse_change('its content is frozen');
