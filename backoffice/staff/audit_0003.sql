-- The audit trail is written once. Only the two columns of the chain are filled in later, once.
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.chain_no IS NULL AND NEW.chain_no IS NOT NULL AND NEW.chain_hash <> ''
       AND (OLD.id, OLD.public_id, OLD.actor, OLD.action, OLD.subject, OLD.reason, OLD.facts, OLD.at)
           IS NOT DISTINCT FROM
           (NEW.id, NEW.public_id, NEW.actor, NEW.action, NEW.subject, NEW.reason, NEW.facts, NEW.at) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit entries cannot be changed or deleted (% of %)', TG_OP, OLD.public_id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER audit_immutable BEFORE UPDATE OR DELETE ON backoffice_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();

-- Nobody inserts a row that claims to be sealed already.
CREATE FUNCTION audit_born_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.chain_no IS NOT NULL OR NEW.chain_hash <> '' THEN
        RAISE EXCEPTION 'an audit entry is sealed by the chain only' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_born_unsealed BEFORE INSERT ON backoffice_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_born_unsealed();

-- The content as one JSON array (unambiguous whatever the texts hold), together with the predecessor's hash.
CREATE FUNCTION audit_digest(previous text, public_id text, actor text, action text, subject text, reason text, facts jsonb, at timestamptz)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(sha256(convert_to(jsonb_build_array(previous, public_id, actor, action, subject, reason, facts,
        (extract(epoch FROM at) * 1000000)::bigint)::text, 'UTF8')), 'hex')
$$;

-- Chain the oldest unsealed entries. The lock is taken before the first look, and every statement here sees what was committed meanwhile.
CREATE FUNCTION audit_seal(batch int, OUT sealed int, OUT head_no bigint, OUT head_hash text) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    e record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_chain'));
    sealed := 0;
    SELECT a.chain_no, a.chain_hash INTO head_no, head_hash FROM backoffice_auditentry a
     WHERE a.chain_no IS NOT NULL ORDER BY a.chain_no DESC LIMIT 1;
    head_no := coalesce(head_no, 0);
    head_hash := coalesce(head_hash, '');
    FOR e IN SELECT * FROM backoffice_auditentry a WHERE a.chain_no IS NULL ORDER BY a.id LIMIT batch LOOP
        head_no := head_no + 1;
        head_hash := audit_digest(head_hash, e.public_id, e.actor, e.action, e.subject, e.reason, e.facts, e.at);
        UPDATE backoffice_auditentry a SET chain_no = head_no, chain_hash = head_hash WHERE a.id = e.id;
        sealed := sealed + 1;
    END LOOP;
END $$;
