-- What fired, what was written and decided stays as it was, whoever writes; urgency only rises.

CREATE TRIGGER case_kept BEFORE DELETE ON fraud_case FOR EACH ROW EXECUTE FUNCTION kit_refuse_change('cases are closed, never deleted');
CREATE TRIGGER case_only_rises BEFORE UPDATE ON fraud_case FOR EACH ROW
    WHEN (NEW.priority < OLD.priority OR (OLD.subject, OLD.seller_id, OLD.opened_at) IS DISTINCT FROM (NEW.subject, NEW.seller_id, NEW.opened_at)
          OR (OLD.is_escalated AND NOT NEW.is_escalated))
    EXECUTE FUNCTION kit_refuse_change('the priority of a case only rises, and its subject stays');
-- A merged case gave its alerts away: its counts are told once more. Nothing else of a case that is over changes.
CREATE TRIGGER case_over BEFORE UPDATE ON fraud_case FOR EACH ROW
    WHEN (OLD.state IN ('closed', 'merged')
          AND (OLD.state, OLD.label, OLD.closed_by, OLD.closed_at, OLD.merged_into_id) IS DISTINCT FROM
              (NEW.state, NEW.label, NEW.closed_by, NEW.closed_at, NEW.merged_into_id))
    EXECUTE FUNCTION kit_refuse_change('a case that is over stays as it ended');

CREATE TRIGGER alert_kept BEFORE DELETE ON fraud_alert FOR EACH ROW EXECUTE FUNCTION kit_refuse_change('alerts are never deleted');
CREATE TRIGGER alert_frozen BEFORE UPDATE ON fraud_alert FOR EACH ROW
    WHEN ((OLD.public_id, OLD.subject, OLD.source, OLD.reference, OLD.decision_id, OLD.about, OLD.code, OLD.text, OLD.score, OLD.priority, OLD.amount_minor,
           OLD.currency, OLD.is_repeat, OLD.at) IS DISTINCT FROM
          (NEW.public_id, NEW.subject, NEW.source, NEW.reference, NEW.decision_id, NEW.about, NEW.code, NEW.text, NEW.score, NEW.priority, NEW.amount_minor,
           NEW.currency, NEW.is_repeat, NEW.at))
    EXECUTE FUNCTION kit_refuse_change('an alert says what fired; only the case it lies in changes');
CREATE TRIGGER case_join_kept BEFORE UPDATE OR DELETE ON fraud_casejoin FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('what was joined and parted is appended, never edited');
-- A rotation of the key ring seals the same text again: the sealed column may change, what it belongs to may not.
CREATE TRIGGER case_note_kept BEFORE UPDATE ON fraud_casenote FOR EACH ROW
    WHEN ((OLD.public_id, OLD.case_id, OLD.actor, OLD.at) IS DISTINCT FROM (NEW.public_id, NEW.case_id, NEW.actor, NEW.at))
    EXECUTE FUNCTION kit_refuse_change('notes are appended, never edited');
CREATE TRIGGER case_file_kept BEFORE UPDATE ON fraud_casefile FOR EACH ROW
    WHEN ((OLD.public_id, OLD.case_id, OLD.sha256, OLD.size_bytes, OLD.actor, OLD.at) IS DISTINCT FROM
          (NEW.public_id, NEW.case_id, NEW.sha256, NEW.size_bytes, NEW.actor, NEW.at))
    EXECUTE FUNCTION kit_refuse_change('papers are what somebody gave, never edited');

CREATE TRIGGER case_decision_kept BEFORE DELETE ON fraud_casedecision FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('decisions of cases are never deleted');
CREATE TRIGGER case_decision_frozen BEFORE UPDATE ON fraud_casedecision FOR EACH ROW
    WHEN (OLD.state IN ('done', 'refused', 'lapsed')
          OR (OLD.case_id, OLD.kind, OLD.target, OLD.amount_minor, OLD.currency, OLD.terms, OLD.reason, OLD.seller_text, OLD.takes_two, OLD.policy_number,
              OLD.content_hash, OLD.made_by, OLD.made_at) IS DISTINCT FROM
             (NEW.case_id, NEW.kind, NEW.target, NEW.amount_minor, NEW.currency, NEW.terms, NEW.reason, NEW.seller_text, NEW.takes_two, NEW.policy_number,
              NEW.content_hash, NEW.made_by, NEW.made_at))
    EXECUTE FUNCTION kit_refuse_change('a decision is what somebody asked for; another is another row');
CREATE FUNCTION fraud_case_decision_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM backoffice_approval a
                    WHERE a.action = 'case_decision' AND a.subject = NEW.public_id AND a.state = 'used' AND a.maker = NEW.made_by
                      AND a.checker = NEW.approved_by AND a.content_hash = NEW.content_hash) THEN
        RAISE EXCEPTION 'fraud_casedecision: this takes two people' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER case_decision_two BEFORE INSERT OR UPDATE ON fraud_casedecision FOR EACH ROW
    WHEN (NEW.takes_two AND NEW.state IN ('approved', 'done')) EXECUTE FUNCTION fraud_case_decision_by_two();

CREATE TRIGGER suspicion_report_kept BEFORE DELETE ON fraud_suspicionreport FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('reports of suspicions are withdrawn, never deleted');
CREATE TRIGGER suspicion_report_frozen BEFORE UPDATE ON fraud_suspicionreport FOR EACH ROW
    WHEN (OLD.state IN ('filed', 'withdrawn')
          AND (OLD.state, OLD.sha256, OLD.filed_by, OLD.filed_at, OLD.filed_ref, OLD.indicators) IS DISTINCT FROM
              (NEW.state, NEW.sha256, NEW.filed_by, NEW.filed_at, NEW.filed_ref, NEW.indicators))
    EXECUTE FUNCTION kit_refuse_change('a report that was filed or withdrawn stays as it is');

CREATE TRIGGER fraud_policy_kept BEFORE DELETE ON fraud_fraudpolicy FOR EACH ROW EXECUTE FUNCTION kit_refuse_change('policies are replaced, never deleted');
CREATE TRIGGER fraud_policy_frozen BEFORE UPDATE ON fraud_fraudpolicy FOR EACH ROW
    WHEN ((OLD.kind, OLD.number, OLD.content, OLD.reason, OLD.made_by, OLD.made_at) IS DISTINCT FROM
          (NEW.kind, NEW.number, NEW.content, NEW.reason, NEW.made_by, NEW.made_at))
    EXECUTE FUNCTION kit_refuse_change('a version of a policy says what it said; other figures are another version');
CREATE FUNCTION fraud_policy_in_force_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM backoffice_approval a
                    WHERE a.action = 'fraud_policy' AND a.subject = NEW.public_id AND a.state = 'used' AND a.maker = NEW.made_by
                      AND a.checker = NEW.approved_by) THEN
        RAISE EXCEPTION 'fraud_fraudpolicy: figures come in force by two people' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fraud_policy_two BEFORE INSERT OR UPDATE ON fraud_fraudpolicy FOR EACH ROW
    WHEN (NEW.state = 'in_force' AND NEW.number > 1) EXECUTE FUNCTION fraud_policy_in_force_by_two();

-- Snapshots are appended; the schedule forgets old nights, nobody edits one.
CREATE TRIGGER exposure_frozen BEFORE UPDATE ON fraud_exposuresnapshot FOR EACH ROW EXECUTE FUNCTION kit_refuse_change('snapshots are taken, never edited');
