-- A model is its coefficients: frozen from the start, live only by two people about exactly them.

CREATE TRIGGER model_version_not_deleted BEFORE DELETE ON fraud_modelversion FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('versions of the model are retired, never deleted');
CREATE TRIGGER model_version_frozen BEFORE UPDATE ON fraud_modelversion FOR EACH ROW
    WHEN ((OLD.number, OLD.formula, OLD.review_from, OLD.source, OLD.trained_from, OLD.trained_to, OLD.tested_to, OLD.rows, OLD.frauds, OLD.measured,
           OLD.content_hash, OLD.made_by, OLD.made_at)
          IS DISTINCT FROM
          (NEW.number, NEW.formula, NEW.review_from, NEW.source, NEW.trained_from, NEW.trained_to, NEW.tested_to, NEW.rows, NEW.frauds, NEW.measured,
           NEW.content_hash, NEW.made_by, NEW.made_at))
    EXECUTE FUNCTION kit_refuse_change('a model is what was trained; another is another version');
CREATE FUNCTION fraud_model_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM backoffice_approval a
                    WHERE a.action = 'model_version' AND a.subject = NEW.public_id AND a.state = 'used' AND a.maker = NEW.made_by
                      AND a.checker = NEW.approved_by AND a.content_hash = NEW.content_hash AND a.maker <> a.checker) THEN
        RAISE EXCEPTION 'fraud_modelversion: a model goes live by two people' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER model_version_by_two BEFORE INSERT OR UPDATE ON fraud_modelversion FOR EACH ROW WHEN (NEW.state = 'live')
    EXECUTE FUNCTION fraud_model_by_two();

-- What a decision wanted held stays on record with how it ended.
CREATE TRIGGER wanted_hold_kept BEFORE DELETE ON fraud_wantedhold FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('wanted holds end, they are never deleted');
CREATE TRIGGER wanted_hold_frozen BEFORE UPDATE ON fraud_wantedhold FOR EACH ROW
    WHEN (OLD.state = 'ended' OR (OLD.decision_id, OLD.seller_id, OLD.earning_id, OLD.currency, OLD.amount_minor, OLD.asked_at)
                                 IS DISTINCT FROM (NEW.decision_id, NEW.seller_id, NEW.earning_id, NEW.currency, NEW.amount_minor, NEW.asked_at))
    EXECUTE FUNCTION kit_refuse_change('what is to be held is what the decision said');
