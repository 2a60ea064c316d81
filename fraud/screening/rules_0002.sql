-- Answers, lists and clearances keep what they said, whoever writes.

CREATE TRIGGER screening_check_kept BEFORE UPDATE OR DELETE ON fraud_check FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('checks are appended, never edited');
CREATE TRIGGER list_entry_kept BEFORE DELETE ON fraud_listentry FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('an entry ends with a version, it is never deleted');
CREATE TRIGGER list_entry_frozen BEFORE UPDATE ON fraud_listentry FOR EACH ROW
    WHEN (OLD.until_id IS NOT NULL
          OR (OLD.list_id, OLD.source_id, OLD.since_id, OLD.replaces_id, OLD.kind, OLD.name, OLD.aliases, OLD.births, OLD.countries,
              OLD.identifiers, OLD.programmes, OLD.fingerprint)
             IS DISTINCT FROM
             (NEW.list_id, NEW.source_id, NEW.since_id, NEW.replaces_id, NEW.kind, NEW.name, NEW.aliases, NEW.births, NEW.countries,
              NEW.identifiers, NEW.programmes, NEW.fingerprint))
    EXECUTE FUNCTION kit_refuse_change('an entry is what its publisher wrote; another content is another row');
CREATE TRIGGER list_version_kept BEFORE DELETE ON fraud_listversion FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('versions are never deleted');
CREATE TRIGGER clearance_kept BEFORE DELETE ON fraud_clearance FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('clearances are never deleted');
CREATE TRIGGER clearance_frozen BEFORE UPDATE ON fraud_clearance FOR EACH ROW
    WHEN (OLD.ended_at IS NOT NULL
          OR (OLD.hit_id, OLD.party_fingerprint, OLD.entry_fingerprint, OLD.strong, OLD.reason, OLD.cleared_by, OLD.approved_by, OLD.cleared_at,
              OLD.expires_at)
             IS DISTINCT FROM
             (NEW.hit_id, NEW.party_fingerprint, NEW.entry_fingerprint, NEW.strong, NEW.reason, NEW.cleared_by, NEW.approved_by, NEW.cleared_at,
              NEW.expires_at))
    EXECUTE FUNCTION kit_refuse_change('a clearance is what was said; it ends, and another begins');
CREATE TRIGGER hit_kept BEFORE DELETE ON fraud_hit FOR EACH ROW EXECUTE FUNCTION kit_refuse_change('hits are never deleted');

-- A strong hit is cleared by two: the second one's approval was spent in the same instant, on this hit.
CREATE FUNCTION screening_cleared_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM backoffice_approval a JOIN fraud_hit h ON h.public_id = a.subject
                    WHERE h.id = NEW.hit_id AND a.action = 'clear_screening_hit' AND a.state = 'used' AND a.maker = NEW.cleared_by
                      AND a.checker = NEW.approved_by AND a.used_at = NEW.cleared_at) THEN
        RAISE EXCEPTION 'fraud_clearance: a strong hit is cleared by two people' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER clearance_of_strong_hit BEFORE INSERT ON fraud_clearance FOR EACH ROW WHEN (NEW.strong) EXECUTE FUNCTION screening_cleared_by_two();
