-- Rules of payments, attempts and refunds, as migration 0031 installs them. A later change is a new file with a new migration.

CREATE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% %: %', TG_TABLE_NAME, OLD.public_id, TG_ARGV[0] USING ERRCODE = 'check_violation';
END $$;

-- What was asked of a gateway never changes, and what it called it is written once.
CREATE TRIGGER attempt_frozen BEFORE UPDATE ON billing_attempt FOR EACH ROW
    WHEN ((OLD.id, OLD.public_id, OLD.kind, OLD.target, OLD.target_id, OLD.number, OLD.key, OLD.gateway, OLD.request, OLD.request_hash, OLD.created_at)
          IS DISTINCT FROM
          (NEW.id, NEW.public_id, NEW.kind, NEW.target, NEW.target_id, NEW.number, NEW.key, NEW.gateway, NEW.request, NEW.request_hash, NEW.created_at))
    EXECUTE FUNCTION billing_refuse_change('what was asked of the gateway is frozen');
-- The moves of billing/payments/states.py (a test compares them).
CREATE TRIGGER attempt_moves BEFORE UPDATE ON billing_attempt FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND (OLD.status || '>' || NEW.status) NOT IN (
        'ready>calling', 'ready>canceled', 'calling>answered', 'calling>unknown', 'calling>absent', 'calling>ready',
        'unknown>answered', 'unknown>absent'))
    EXECUTE FUNCTION billing_refuse_change('this move of its status is not allowed');
CREATE TRIGGER attempt_never_deleted BEFORE DELETE ON billing_attempt FOR EACH ROW
    EXECUTE FUNCTION billing_refuse_change('attempts are never deleted');

CREATE TRIGGER payment_frozen BEFORE UPDATE ON billing_payment FOR EACH ROW
    WHEN ((OLD.id, OLD.public_id, OLD.customer_id, OLD.seller_id, OLD.purpose, OLD.gateway, OLD.amount_minor, OLD.currency, OLD.created_at)
          IS DISTINCT FROM
          (NEW.id, NEW.public_id, NEW.customer_id, NEW.seller_id, NEW.purpose, NEW.gateway, NEW.amount_minor, NEW.currency, NEW.created_at)
          OR OLD.provider_ref <> '' AND NEW.provider_ref <> OLD.provider_ref
          OR OLD.captured_minor <> 0 AND NEW.captured_minor <> OLD.captured_minor
          OR OLD.status = 'succeeded' AND NEW.status <> 'succeeded')
    EXECUTE FUNCTION billing_refuse_change('what was asked for, and what was captured, is frozen');
CREATE TRIGGER payment_never_deleted BEFORE DELETE ON billing_payment FOR EACH ROW
    EXECUTE FUNCTION billing_refuse_change('payments are never deleted');

CREATE TRIGGER refund_frozen BEFORE UPDATE ON billing_refund FOR EACH ROW
    WHEN ((OLD.id, OLD.public_id, OLD.payment_id, OLD.customer_id, OLD.seller_id, OLD.purpose, OLD.source, OLD.amount_minor, OLD.surplus_minor,
           OLD.currency, OLD.reason, OLD.maker, OLD.requested_at)
          IS DISTINCT FROM
          (NEW.id, NEW.public_id, NEW.payment_id, NEW.customer_id, NEW.seller_id, NEW.purpose, NEW.source, NEW.amount_minor, NEW.surplus_minor,
           NEW.currency, NEW.reason, NEW.maker, NEW.requested_at)
          OR OLD.posting_id IS NOT NULL AND NEW.posting_id IS DISTINCT FROM OLD.posting_id
          OR OLD.provider_ref <> '' AND NEW.provider_ref <> OLD.provider_ref
          OR OLD.approved_at IS NOT NULL AND (NEW.checker, NEW.approved_at) IS DISTINCT FROM (OLD.checker, OLD.approved_at))
    EXECUTE FUNCTION billing_refuse_change('what was approved to go back is frozen');
CREATE TRIGGER refund_moves BEFORE UPDATE ON billing_refund FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND (OLD.status || '>' || NEW.status) NOT IN (
        'requested>approved', 'requested>canceled',
        'approved>pending', 'approved>requires_action', 'approved>succeeded', 'approved>failed', 'approved>unknown', 'approved>canceled',
        'unknown>pending', 'unknown>requires_action', 'unknown>succeeded', 'unknown>failed',
        'pending>succeeded', 'pending>failed', 'pending>canceled', 'pending>requires_action',
        'requires_action>pending', 'requires_action>succeeded', 'requires_action>failed', 'requires_action>canceled',
        'succeeded>failed'))
    EXECUTE FUNCTION billing_refuse_change('this move of its status is not allowed');
CREATE TRIGGER refund_never_deleted BEFORE DELETE ON billing_refund FOR EACH ROW
    EXECUTE FUNCTION billing_refuse_change('refunds are never deleted');

-- Never more back than came, whoever writes: refunds that are not over and disputes together stay within what was captured. The payment's row is
-- the lock under which two writers take turns.
CREATE FUNCTION billing_within_captured(wanted bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    captured bigint;
    disputed bigint;
    refunded bigint;
BEGIN
    SELECT captured_minor, disputed_minor INTO captured, disputed FROM billing_payment WHERE id = wanted FOR NO KEY UPDATE;
    SELECT coalesce(sum(amount_minor), 0) INTO refunded FROM billing_refund
     WHERE payment_id = wanted AND status NOT IN ('failed', 'canceled');
    IF refunded + disputed > captured THEN
        RAISE EXCEPTION 'refunds (%) and disputes (%) of payment % exceed what was captured (%)', refunded, disputed, wanted, captured
            USING ERRCODE = 'check_violation';
    END IF;
END $$;
CREATE FUNCTION billing_refund_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM billing_within_captured(NEW.payment_id);
    RETURN NULL;
END $$;
CREATE TRIGGER refund_within_captured AFTER INSERT ON billing_refund FOR EACH ROW
    WHEN (NEW.payment_id IS NOT NULL) EXECUTE FUNCTION billing_refund_guard();
CREATE FUNCTION billing_dispute_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM billing_within_captured(NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER dispute_within_captured AFTER UPDATE OF disputed_minor ON billing_payment FOR EACH ROW
    WHEN (NEW.disputed_minor <> OLD.disputed_minor) EXECUTE FUNCTION billing_dispute_guard();

-- Two people above the limit in force, whoever writes: by the sum of what went back of the payment on one person's word.
CREATE FUNCTION billing_refund_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    alone bigint;
    allowed bigint;
BEGIN
    IF NEW.checker <> '' THEN
        IF NOT EXISTS (SELECT 1 FROM backoffice_approval v WHERE v.action = 'refund' AND v.subject = NEW.public_id AND v.state = 'used'
                          AND v.checker = NEW.checker AND v.checker <> v.maker AND v.checker LIKE 'staff:%') THEN
            RAISE EXCEPTION 'refund %: no second person has approved it', NEW.public_id USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END IF;
    SELECT coalesce(max(limit_minor), 0) INTO allowed FROM billing_refundlimit WHERE currency = NEW.currency AND state = 'in_force';
    SELECT coalesce(sum(amount_minor), 0) INTO alone FROM billing_refund
     WHERE checker = '' AND approved_at IS NOT NULL AND status NOT IN ('failed', 'canceled')
       AND (NEW.payment_id IS NOT NULL AND payment_id = NEW.payment_id
            OR NEW.payment_id IS NULL AND payment_id IS NULL AND purpose = NEW.purpose AND seller_id = NEW.seller_id);
    IF alone > allowed THEN
        RAISE EXCEPTION 'refund %: above the limit of % for one person', NEW.public_id, allowed USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refund_by_two AFTER UPDATE ON billing_refund FOR EACH ROW
    WHEN (OLD.status = 'requested' AND NEW.status = 'approved') EXECUTE FUNCTION billing_refund_by_two();
CREATE FUNCTION billing_born_requested() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> 'requested' OR NEW.checker <> '' OR NEW.approved_at IS NOT NULL THEN
        RAISE EXCEPTION 'refund %: a refund begins as a request', NEW.public_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refund_begins_as_request AFTER INSERT ON billing_refund FOR EACH ROW EXECUTE FUNCTION billing_born_requested();

-- A limit in force was approved by another person than proposed it (those of the first migration by nobody: they are the starting point).
CREATE TRIGGER refund_limit_frozen BEFORE UPDATE ON billing_refundlimit FOR EACH ROW
    WHEN ((OLD.public_id, OLD.currency, OLD.limit_minor, OLD.made_by, OLD.made_at) IS DISTINCT FROM
          (NEW.public_id, NEW.currency, NEW.limit_minor, NEW.made_by, NEW.made_at)
          OR NEW.state = 'in_force' AND (NEW.approved_by = '' OR NEW.approved_by = NEW.made_by))
    EXECUTE FUNCTION billing_refuse_change('a limit is frozen, and comes into force by a second person');
CREATE TRIGGER refund_limit_never_deleted BEFORE DELETE ON billing_refundlimit FOR EACH ROW
    EXECUTE FUNCTION billing_refuse_change('limits are never deleted');
