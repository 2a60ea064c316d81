-- What others said, and what two people decided, stays as it was, whoever writes.

ALTER TABLE billing_stagedline SET (fillfactor = 85);

CREATE TRIGGER staged_line_kept BEFORE DELETE ON billing_stagedline FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('a staged fact is never deleted; two people may call it void');
CREATE TRIGGER staged_line_frozen BEFORE UPDATE ON billing_stagedline FOR EACH ROW
    WHEN ((OLD.side, OLD.leg, OLD.source, OLD.holder, OLD.source_ref, OLD.amount_minor, OLD.fee_minor, OLD.currency, OLD."on", OLD.reference,
           OLD.provider_ref, OLD.posting_id, OLD.bank_entry_id)
          IS DISTINCT FROM
          (NEW.side, NEW.leg, NEW.source, NEW.holder, NEW.source_ref, NEW.amount_minor, NEW.fee_minor, NEW.currency, NEW."on", NEW.reference,
           NEW.provider_ref, NEW.posting_id, NEW.bank_entry_id)
          OR OLD.payout_ref <> '' AND NEW.payout_ref <> OLD.payout_ref
          OR OLD.group_id IS NOT NULL AND NEW.group_id IS DISTINCT FROM OLD.group_id)
    EXECUTE FUNCTION kit_refuse_change('a staged fact is what was said; it joins one match and stays there');
CREATE TRIGGER difference_line_kept BEFORE UPDATE OR DELETE ON billing_differenceline FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('difference lines are appended, never edited');
CREATE TRIGGER match_group_kept BEFORE DELETE ON billing_matchgroup FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('matches are never deleted');
CREATE TRIGGER break_kept BEFORE DELETE ON billing_break FOR EACH ROW EXECUTE FUNCTION kit_refuse_change('breaks are never deleted');

-- A break is corrected by two: the second one's approval was spent on it, in the names that stand on the break.
CREATE FUNCTION billing_break_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM backoffice_approval a
                    WHERE a.action = 'break_correction' AND a.subject = NEW.public_id AND a.state = 'used' AND a.maker = NEW.corrected_by
                      AND a.checker = NEW.approved_by AND a.checker LIKE 'staff:%' AND a.checker <> a.maker) THEN
        RAISE EXCEPTION 'billing_break: a break is corrected by two people' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER break_corrected_by_two BEFORE UPDATE ON billing_break FOR EACH ROW
    WHEN (NEW.state = 'corrected' AND OLD.state <> 'corrected') EXECUTE FUNCTION billing_break_by_two();

-- What no rule tolerates has an approval of two behind it.
CREATE FUNCTION billing_difference_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM backoffice_approval a WHERE a.public_id = NEW.approval AND a.action = 'break_correction' AND a.state = 'used') THEN
        RAISE EXCEPTION 'billing_differenceline: what is written off was approved by two people' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER write_off_by_two BEFORE INSERT ON billing_differenceline FOR EACH ROW
    WHEN (NEW.kind = 'write_off' OR NEW.approval <> '') EXECUTE FUNCTION billing_difference_by_two();
