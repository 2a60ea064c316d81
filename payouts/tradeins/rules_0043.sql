-- What was agreed and bought stays as it was; a trade-in is history and is never deleted.
CREATE FUNCTION trade_in_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a trade-in is kept as history and cannot be deleted' USING ERRCODE = 'check_violation';
    END IF;
    IF (OLD.public_id, OLD.external_id, OLD.partner_id, OLD.consumer_id, OLD.currency, OLD.agreed_minor, OLD.agreed_by, OLD.agreed_at)
       IS DISTINCT FROM
       (NEW.public_id, NEW.external_id, NEW.partner_id, NEW.consumer_id, NEW.currency, NEW.agreed_minor, NEW.agreed_by, NEW.agreed_at) THEN
        RAISE EXCEPTION 'what was agreed cannot be changed' USING ERRCODE = 'check_violation', HINT = 'A change is another trade-in.';
    END IF;
    IF OLD.status IN ('accepted', 'paid', 'withdrawn')
       AND (OLD.amount_minor, OLD.accepted_by, OLD.checker, OLD.accepted_at)
           IS DISTINCT FROM (NEW.amount_minor, NEW.accepted_by, NEW.checker, NEW.accepted_at) THEN
        RAISE EXCEPTION 'the price of a device that was bought cannot be changed' USING ERRCODE = 'check_violation', HINT = 'Take it back instead.';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trade_in_fixed BEFORE UPDATE OR DELETE ON payouts_tradein FOR EACH ROW EXECUTE FUNCTION trade_in_fixed();
