-- Rules of payment orders and files, as the migration "payment_order_rules" installs them. A later change is a new file with a new migration.

-- The last gate before money: an order exists only for a payout that another person approved, for the content approved, under an approval that
-- had not expired, to an active seller's payee account, for exactly the payout's amount. Whoever inserts it: a verb, the admin, or SQL by hand.
-- EXECUTE: a plan cached for one row would be kept for a run of 100,000.
CREATE FUNCTION payment_order_may_exist() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    offender text;
BEGIN
    EXECUTE $q$
        SELECT f.public_id FROM fresh f JOIN payouts_payout p ON p.id = f.payout_id JOIN payouts_seller s ON s.id = p.seller_id
         WHERE f.status <> 'approved' OR f.amount_minor <> p.amount_minor OR f.currency <> p.currency OR f.rail <> p.rail
            OR f.payee_account_id <> p.payee_account_id OR p.status NOT IN ('approved', 'pending') OR s.status <> 'active'
         LIMIT 1 $q$ INTO offender;
    IF offender IS NOT NULL THEN
        RAISE EXCEPTION 'payment order % does not match its payout, or its seller may not be paid', offender
            USING ERRCODE = 'check_violation';
    END IF;

    EXECUTE $q$
        SELECT coalesce(r.public_id, 'without a run')
          FROM (SELECT p.run_id, p.maker, p.checker, min(f.created_at) AS at
                  FROM fresh f JOIN payouts_payout p ON p.id = f.payout_id GROUP BY 1, 2, 3) g
          LEFT JOIN payouts_payoutrun r ON r.id = g.run_id
         WHERE g.checker = '' OR g.checker = g.maker OR NOT EXISTS (
               SELECT 1 FROM backoffice_approval v
                WHERE v.action = 'payout_run' AND v.subject = r.public_id AND v.state IN ('approved', 'used')
                  AND v.content_hash = r.content_hash AND v.checker = g.checker AND v.checker <> v.maker
                  AND v.checker LIKE 'staff:%' AND v.expires_at > g.at)
         LIMIT 1 $q$ INTO offender;
    IF offender IS NOT NULL THEN
        RAISE EXCEPTION 'nothing of the run % may be sent: no second person has approved it', offender
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payment_order_may_exist AFTER INSERT ON payouts_paymentorder REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION payment_order_may_exist();

CREATE FUNCTION dispatch_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% %: %', TG_TABLE_NAME, OLD.public_id, TG_ARGV[0] USING ERRCODE = 'check_violation';
END $$;

-- What was asked of the rail never changes, a file once named stays, and a reference of the provider is written once.
CREATE TRIGGER payment_order_frozen BEFORE UPDATE ON payouts_paymentorder FOR EACH ROW
    WHEN ((OLD.id, OLD.public_id, OLD.payout_id, OLD.attempt, OLD.rail, OLD.payee_account_id, OLD.currency, OLD.amount_minor,
           OLD.end_to_end_id, OLD.key, OLD.request_hash, OLD.created_at)
          IS DISTINCT FROM
          (NEW.id, NEW.public_id, NEW.payout_id, NEW.attempt, NEW.rail, NEW.payee_account_id, NEW.currency, NEW.amount_minor,
           NEW.end_to_end_id, NEW.key, NEW.request_hash, NEW.created_at)
          OR OLD.rail_file_id IS NOT NULL AND NEW.rail_file_id IS DISTINCT FROM OLD.rail_file_id
          OR OLD.provider_ref <> '' AND NEW.provider_ref <> OLD.provider_ref)
    EXECUTE FUNCTION dispatch_refuse_change('what was asked of the rail is frozen');
-- The moves of payouts/dispatch/states.py (a test compares them).
CREATE TRIGGER payment_order_moves BEFORE UPDATE ON payouts_paymentorder FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND (OLD.status || '>' || NEW.status) NOT IN (
        'approved>sending', 'approved>canceled',
        'sending>sent', 'sending>unknown', 'sending>rejected', 'sending>approved', 'sending>absent', 'sending>canceled',
        'unknown>sent', 'unknown>absent', 'unknown>rejected', 'unknown>completed',
        'sent>completed', 'sent>rejected', 'sent>returned',
        'completed>returned'))
    EXECUTE FUNCTION dispatch_refuse_change('this move of its status is not allowed');
CREATE TRIGGER payment_order_never_deleted BEFORE DELETE ON payouts_paymentorder FOR EACH ROW
    EXECUTE FUNCTION dispatch_refuse_change('payment orders are never deleted');

-- A file's bytes are sealed when it is stored: a file built again would be another file to the bank, and be paid again.
CREATE TRIGGER rail_file_sealed BEFORE UPDATE ON payouts_railfile FOR EACH ROW
    WHEN ((OLD.id, OLD.public_id, OLD.run_id, OLD.rail, OLD.bank_profile, OLD.file_name, OLD.message_id, OLD.sha256, OLD.orders_count,
           OLD.control_sum_minor, OLD.currency, OLD.execute_on, OLD.created_at, OLD.data)
          IS DISTINCT FROM
          (NEW.id, NEW.public_id, NEW.run_id, NEW.rail, NEW.bank_profile, NEW.file_name, NEW.message_id, NEW.sha256, NEW.orders_count,
           NEW.control_sum_minor, NEW.currency, NEW.execute_on, NEW.created_at, NEW.data))
    EXECUTE FUNCTION dispatch_refuse_change('a stored file is sealed');
CREATE TRIGGER rail_file_never_deleted BEFORE DELETE ON payouts_railfile FOR EACH ROW
    EXECUTE FUNCTION dispatch_refuse_change('files are never deleted');
CREATE TRIGGER bank_file_sealed BEFORE UPDATE ON payouts_bankfile FOR EACH ROW
    WHEN ((OLD.sha256, OLD.identity, OLD.data, OLD.received_at) IS DISTINCT FROM (NEW.sha256, NEW.identity, NEW.data, NEW.received_at))
    EXECUTE FUNCTION dispatch_refuse_change('a stored bank file is sealed');
CREATE TRIGGER bank_file_never_deleted BEFORE DELETE ON payouts_bankfile FOR EACH ROW
    EXECUTE FUNCTION dispatch_refuse_change('bank files are never deleted');
