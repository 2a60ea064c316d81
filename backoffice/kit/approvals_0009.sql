-- Approvals and histories keep to their rules whoever writes them: a verb, a shell, or SQL by hand.

-- Timelines are appended, never edited: the truths compare them with what stands in the rows.
CREATE FUNCTION kit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER state_change_kept BEFORE UPDATE OR DELETE ON backoffice_statechange FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('the history of states is appended, never edited');

-- An approval is born as a request, decided by one person who is neither its maker nor barred, in time, and spent once.
CREATE TRIGGER approval_born_open BEFORE INSERT ON backoffice_approval FOR EACH ROW
    WHEN (NEW.state <> 'requested' OR NEW.checker <> '' OR NEW.decided_at IS NOT NULL OR NEW.used_at IS NOT NULL)
    EXECUTE FUNCTION kit_refuse_change('an approval is born as a request');
CREATE TRIGGER approval_content_frozen BEFORE UPDATE ON backoffice_approval FOR EACH ROW
    WHEN ((OLD.id, OLD.public_id, OLD.action, OLD.subject, OLD.content_hash, OLD.shown, OLD.maker, OLD.barred, OLD.requested_at,
           OLD.expires_at)
          IS DISTINCT FROM
          (NEW.id, NEW.public_id, NEW.action, NEW.subject, NEW.content_hash, NEW.shown, NEW.maker, NEW.barred, NEW.requested_at,
           NEW.expires_at))
    EXECUTE FUNCTION kit_refuse_change('what was put to approval is frozen');
CREATE TRIGGER approval_moves BEFORE UPDATE ON backoffice_approval FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state) NOT IN (
            'requested>approved', 'requested>refused', 'requested>expired', 'requested>void',
            'approved>used', 'approved>refused', 'approved>expired', 'approved>void')
          OR OLD.checker <> NEW.checker AND (OLD.state || '>' || NEW.state) NOT IN (
            'requested>approved', 'requested>refused', 'approved>refused'))
    EXECUTE FUNCTION kit_refuse_change('this move of its state is not allowed');
CREATE TRIGGER approval_by_a_second_person BEFORE UPDATE ON backoffice_approval FOR EACH ROW
    WHEN (OLD.state <> 'approved' AND NEW.state = 'approved'
          AND (NEW.checker NOT LIKE 'staff:%' OR NEW.checker = NEW.maker OR NEW.decided_at IS NULL OR NEW.decided_at >= NEW.expires_at
               OR jsonb_path_exists(NEW.barred, '$[*] ? (@[0] == $who)', jsonb_build_object('who', NEW.checker))))
    EXECUTE FUNCTION kit_refuse_change('only a second person who is not barred approves, and in time');
CREATE TRIGGER approval_kept BEFORE DELETE ON backoffice_approval FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('approvals are never deleted');
