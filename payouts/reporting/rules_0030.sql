-- Reports, lines and files of the tax reports, held by the database to what was frozen, and to two people.

CREATE FUNCTION tax_report_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'prepared' THEN
            RAISE EXCEPTION 'tax report %: a report is born prepared', NEW.public_id USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'tax report %: reports are never deleted', OLD.public_id USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state <> 'prepared' AND
       (OLD.public_id, OLD.regime, OLD.year, OLD.version, OLD.kind, OLD.corrects_id, OLD.rules, OLD.zone, OLD.totals, OLD.sellers_count,
        OLD.reported_count, OLD.missing_count, OLD.leave_out_reason, OLD.content_hash, OLD.prepared_by, OLD.prepared_at, OLD.frozen_by, OLD.frozen_at)
       IS DISTINCT FROM
       (NEW.public_id, NEW.regime, NEW.year, NEW.version, NEW.kind, NEW.corrects_id, NEW.rules, NEW.zone, NEW.totals, NEW.sellers_count,
        NEW.reported_count, NEW.missing_count, NEW.leave_out_reason, NEW.content_hash, NEW.prepared_by, NEW.prepared_at, NEW.frozen_by, NEW.frozen_at)
    THEN
        RAISE EXCEPTION 'tax report %: what was frozen stays as it was', OLD.public_id USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state IN ('filed', 'discarded') AND OLD IS DISTINCT FROM NEW THEN
        RAISE EXCEPTION 'tax report %: it is over', OLD.public_id USING ERRCODE = 'check_violation';
    END IF;
    -- The moves of payouts/reporting/states.py (a test compares them).
    IF OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state) NOT IN
       ('prepared>frozen', 'prepared>discarded', 'frozen>filed', 'frozen>discarded') THEN
        RAISE EXCEPTION 'tax report %: this move is not allowed', OLD.public_id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state = 'filed' AND OLD.state <> 'filed' AND NOT EXISTS (
        SELECT 1 FROM backoffice_approval a WHERE a.action = 'tax_report.file' AND a.subject = NEW.public_id AND a.state = 'used'
           AND a.content_hash = NEW.content_hash AND a.maker = NEW.frozen_by AND a.checker = NEW.filed_by AND a.checker LIKE 'staff:%'
           AND a.maker <> a.checker AND a.used_at = NEW.filed_at) THEN
        RAISE EXCEPTION 'tax report %: no second person has approved that it is filed', NEW.public_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tax_report_guard BEFORE INSERT OR UPDATE OR DELETE ON payouts_taxreport FOR EACH ROW EXECUTE FUNCTION tax_report_guard();

-- Lines and files belong to a prepared report until it is frozen. What seals them may be resealed: keys rotate.
CREATE FUNCTION tax_report_open() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    report bigint := CASE WHEN TG_OP = 'DELETE' THEN OLD.report_id ELSE NEW.report_id END;
BEGIN
    IF (SELECT state FROM payouts_taxreport WHERE id = report) IS DISTINCT FROM 'prepared' THEN
        RAISE EXCEPTION '%: what was frozen stays as it was', TG_TABLE_NAME USING ERRCODE = 'check_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER tax_line_open BEFORE INSERT OR DELETE ON payouts_taxreportline FOR EACH ROW EXECUTE FUNCTION tax_report_open();
CREATE TRIGGER tax_line_frozen BEFORE UPDATE ON payouts_taxreportline FOR EACH ROW
    WHEN ((OLD.id, OLD.public_id, OLD.report_id, OLD.seller_id, OLD.currency, OLD.code, OLD.activities, OLD.consideration, OLD.fees, OLD.taxes,
           OLD.gross, OLD.missing, OLD.doc_ref, OLD.corrects_ref, OLD.fingerprint)
          IS DISTINCT FROM
          (NEW.id, NEW.public_id, NEW.report_id, NEW.seller_id, NEW.currency, NEW.code, NEW.activities, NEW.consideration, NEW.fees, NEW.taxes,
           NEW.gross, NEW.missing, NEW.doc_ref, NEW.corrects_ref, NEW.fingerprint))
    EXECUTE FUNCTION tax_report_open();
CREATE TRIGGER tax_file_of_open BEFORE INSERT ON payouts_taxreportfile FOR EACH ROW EXECUTE FUNCTION tax_report_open();
CREATE TRIGGER tax_file_sealed BEFORE UPDATE ON payouts_taxreportfile FOR EACH ROW
    WHEN ((OLD.id, OLD.public_id, OLD.report_id, OLD.name, OLD.media_type, OLD.sha256, OLD.size_bytes, OLD.sealed, OLD.created_at)
          IS DISTINCT FROM
          (NEW.id, NEW.public_id, NEW.report_id, NEW.name, NEW.media_type, NEW.sha256, NEW.size_bytes, NEW.sealed, NEW.created_at))
    EXECUTE FUNCTION kit_refuse_change('a file of a tax report is sealed');
CREATE TRIGGER tax_file_kept BEFORE DELETE ON payouts_taxreportfile FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('files of tax reports are never deleted');
