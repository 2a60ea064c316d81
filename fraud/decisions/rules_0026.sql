-- Reserves stay on record with how they ended; what was asked for is not rewritten.
CREATE TRIGGER risk_reserve_kept BEFORE DELETE ON fraud_riskreserve FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('risk reserves end, they are never deleted');
CREATE TRIGGER risk_reserve_frozen BEFORE UPDATE ON fraud_riskreserve FOR EACH ROW
    WHEN (OLD.state = 'ended'
          OR (OLD.seller_id, OLD.currency, OLD.basis_points, OLD.days, OLD.decision_id, OLD.asked_by, OLD.reason, OLD.seller_text, OLD.asked_at)
             IS DISTINCT FROM
             (NEW.seller_id, NEW.currency, NEW.basis_points, NEW.days, NEW.decision_id, NEW.asked_by, NEW.reason, NEW.seller_text, NEW.asked_at)
          OR (OLD.plan_id IS NOT NULL AND NEW.plan_id IS DISTINCT FROM OLD.plan_id))
    EXECUTE FUNCTION kit_refuse_change('a reserve is what was asked for; another is another reserve');

-- What a version asks to be kept is content, as everything else it says.
CREATE TRIGGER rule_version_reserve_frozen BEFORE UPDATE ON fraud_ruleversion FOR EACH ROW
    WHEN (OLD.state <> 'draft' AND (OLD.reserve_basis_points, OLD.reserve_days) IS DISTINCT FROM (NEW.reserve_basis_points, NEW.reserve_days))
    EXECUTE FUNCTION kit_refuse_change('a version says what it said; another content is another version');

CREATE TRIGGER exposure_night_frozen BEFORE UPDATE ON fraud_exposurenight FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('nights are summed once, never edited');
