-- Disputes in the database: what the provider booked stays, what was sent stays, a policy takes two.

CREATE TRIGGER dispute_movement_frozen BEFORE UPDATE OR DELETE ON billing_disputemovement FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('a balance transaction is booked once and never changed');
CREATE TRIGGER dispute_kept BEFORE DELETE ON billing_dispute FOR EACH ROW EXECUTE FUNCTION kit_refuse_change('disputes are never deleted');
CREATE TRIGGER dispute_submission_kept BEFORE DELETE ON billing_disputesubmission FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('what was sent is never deleted');
CREATE TRIGGER dispute_submission_frozen BEFORE UPDATE ON billing_disputesubmission FOR EACH ROW
    WHEN ((OLD.dispute_id, OLD.kind, OLD.number, OLD.key, OLD.content_hash, OLD.asked_by, OLD.asked_at)
          IS DISTINCT FROM (NEW.dispute_id, NEW.kind, NEW.number, NEW.key, NEW.content_hash, NEW.asked_by, NEW.asked_at))
    EXECUTE FUNCTION kit_refuse_change('an answer is sent as it was asked for');
CREATE TRIGGER dispute_policy_kept BEFORE DELETE ON billing_disputepolicy FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('policies are never deleted');
CREATE TRIGGER dispute_policy_frozen BEFORE UPDATE ON billing_disputepolicy FOR EACH ROW
    WHEN ((OLD.version, OLD.seller_buffer_hours, OLD.auto_accept, OLD.limits, OLD.notice_hours, OLD.reason, OLD.made_by, OLD.made_at)
          IS DISTINCT FROM
          (NEW.version, NEW.seller_buffer_hours, NEW.auto_accept, NEW.limits, NEW.notice_hours, NEW.reason, NEW.made_by, NEW.made_at))
    EXECUTE FUNCTION kit_refuse_change('a policy is what was proposed; another content is another version');

-- In force only with the spent approval of a second person.
CREATE FUNCTION dispute_policy_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM backoffice_approval a
                    WHERE a.subject = NEW.public_id AND a.action = 'dispute_policy' AND a.state = 'used' AND a.maker = NEW.made_by
                      AND a.checker = NEW.approved_by AND a.checker <> a.maker) THEN
        RAISE EXCEPTION 'billing_disputepolicy: a policy is put in force by two people' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER dispute_policy_in_force BEFORE UPDATE ON billing_disputepolicy FOR EACH ROW
    WHEN (NEW.state = 'in_force' AND OLD.state <> 'in_force') EXECUTE FUNCTION dispute_policy_by_two();

-- Events keep what they said; only a body that is done may be emptied.
CREATE TRIGGER inbound_event_kept BEFORE DELETE ON billing_inboundevent FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('inbound events are never deleted');
CREATE TRIGGER inbound_event_frozen BEFORE UPDATE ON billing_inboundevent FOR EACH ROW
    WHEN ((OLD.public_id, OLD.provider, OLD.account, OLD.event_ref, OLD.type, OLD.kind, OLD.object_ref, OLD.livemode, OLD.occurred_at,
           OLD.received_at, OLD.source)
          IS DISTINCT FROM
          (NEW.public_id, NEW.provider, NEW.account, NEW.event_ref, NEW.type, NEW.kind, NEW.object_ref, NEW.livemode, NEW.occurred_at,
           NEW.received_at, NEW.source)
          OR NEW.raw = '' AND OLD.raw <> '' AND OLD.state IN ('received', 'processing', 'retry', 'dead'))
    EXECUTE FUNCTION kit_refuse_change('an event is what the provider sent');
