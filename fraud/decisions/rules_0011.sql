-- What was decided, what was known and what it was made from stay as they were, whoever writes.

CREATE TRIGGER decision_kept BEFORE UPDATE OR DELETE ON fraud_decision FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('decisions are made once and never changed');
CREATE TRIGGER rule_hit_kept BEFORE UPDATE OR DELETE ON fraud_rulehit FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('what a rule said is never changed');
CREATE TRIGGER fraud_event_kept BEFORE UPDATE OR DELETE ON fraud_fraudevent FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('events are appended, never edited');
CREATE TRIGGER fraud_label_kept BEFORE UPDATE OR DELETE ON fraud_fraudlabel FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('labels are appended; a later one may say otherwise');
CREATE TRIGGER rule_set_kept BEFORE UPDATE OR DELETE ON fraud_ruleset FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('a rule set is what was asked; another is another row');
CREATE TRIGGER lists_version_kept BEFORE UPDATE OR DELETE ON fraud_listsversion FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('versions of the lists are appended, never edited');
CREATE TRIGGER replay_kept BEFORE UPDATE OR DELETE ON fraud_replay FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('replays are appended, never edited');

CREATE TRIGGER rule_version_not_deleted BEFORE DELETE ON fraud_ruleversion FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('versions of rules are retired, never deleted');
CREATE TRIGGER rule_version_frozen BEFORE UPDATE ON fraud_ruleversion FOR EACH ROW
    WHEN (OLD.state <> 'draft'
          AND (OLD.rule_id, OLD.number, OLD.expression, OLD.effect, OLD.score, OLD.code, OLD.operator_text, OLD.seller_text, OLD.expected_basis_points,
               OLD.daily_ceiling, OLD.review_days, OLD.shadow_hours, OLD.features, OLD.content_hash, OLD.made_by, OLD.made_at)
              IS DISTINCT FROM
              (NEW.rule_id, NEW.number, NEW.expression, NEW.effect, NEW.score, NEW.code, NEW.operator_text, NEW.seller_text, NEW.expected_basis_points,
               NEW.daily_ceiling, NEW.review_days, NEW.shadow_hours, NEW.features, NEW.content_hash, NEW.made_by, NEW.made_at))
    EXECUTE FUNCTION kit_refuse_change('a version says what it said; another content is another version');

-- A rule decides only with the approval of a second person, spent on exactly its content.
CREATE FUNCTION fraud_rule_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM backoffice_approval a
                    WHERE a.action = 'rule_version' AND a.subject = NEW.public_id AND a.state = 'used' AND a.maker = NEW.made_by
                      AND a.checker = NEW.approved_by AND a.content_hash = NEW.content_hash) THEN
        RAISE EXCEPTION 'fraud_ruleversion: a rule goes live by two people' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rule_version_by_two BEFORE INSERT OR UPDATE ON fraud_ruleversion FOR EACH ROW WHEN (NEW.state IN ('approved', 'live'))
    EXECUTE FUNCTION fraud_rule_by_two();

CREATE TRIGGER listed_value_not_deleted BEFORE DELETE ON fraud_listedvalue FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('list entries end, they are never deleted');
CREATE TRIGGER listed_value_frozen BEFORE UPDATE ON fraud_listedvalue FOR EACH ROW
    WHEN (OLD.state IN ('ended', 'refused')
          OR (OLD.list, OLD.kind, OLD.value_index, OLD.shown, OLD.absolute, OLD.reason, OLD.owner, OLD.expires_at, OLD.made_by, OLD.made_at)
             IS DISTINCT FROM
             (NEW.list, NEW.kind, NEW.value_index, NEW.shown, NEW.absolute, NEW.reason, NEW.owner, NEW.expires_at, NEW.made_by, NEW.made_at))
    EXECUTE FUNCTION kit_refuse_change('an entry is what somebody said; it ends, and another begins');
CREATE FUNCTION fraud_allowed_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM backoffice_approval a
                    WHERE a.action = 'listed_value' AND a.subject = NEW.public_id AND a.state = 'used' AND a.maker = NEW.made_by
                      AND a.checker = NEW.approved_by AND a.maker <> a.checker) THEN
        RAISE EXCEPTION 'fraud_listedvalue: an allowed value is let in by two people' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER listed_value_by_two BEFORE INSERT OR UPDATE ON fraud_listedvalue FOR EACH ROW WHEN (NEW.list = 'allowed' AND NEW.state = 'active')
    EXECUTE FUNCTION fraud_allowed_by_two();

CREATE TRIGGER decision_review_kept BEFORE DELETE ON fraud_decisionreview FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('reviews are never deleted');
CREATE TRIGGER decision_review_frozen BEFORE UPDATE ON fraud_decisionreview FOR EACH ROW
    WHEN (OLD.state <> 'open' OR (OLD.decision_id, OLD.point, OLD.subject, OLD.seller, OLD.outcome, OLD.opened_at)
                                 IS DISTINCT FROM (NEW.decision_id, NEW.point, NEW.subject, NEW.seller, NEW.outcome, NEW.opened_at))
    EXECUTE FUNCTION kit_refuse_change('a judged review stays as it is');
