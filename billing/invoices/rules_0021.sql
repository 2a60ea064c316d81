-- Rules of invoices, as the migration "invoice_rules" installs them. A later change is a new file with a new migration.

-- From its number on an invoice is a document: only its settlement and status change, and status only by the table of states.py. A sealed column
-- may be sealed again under another key; it authenticates itself.
CREATE FUNCTION billing_invoice_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'invoices are never deleted; void them' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.number <> '' AND (
        (NEW.public_id, NEW.key, NEW.customer_id, NEW.entity_id, NEW.currency, NEW.origin, NEW.collection, NEW.due_days, NEW.series_id,
         NEW.sequence, NEW.number, NEW.issued_on, NEW.due_on, NEW.finalised_at, NEW.buyer_vat_number, NEW.tax_note, NEW.subtotal_minor,
         NEW.tax_minor, NEW.total_minor, NEW.created_by, NEW.created_at)
        IS DISTINCT FROM
        (OLD.public_id, OLD.key, OLD.customer_id, OLD.entity_id, OLD.currency, OLD.origin, OLD.collection, OLD.due_days, OLD.series_id,
         OLD.sequence, OLD.number, OLD.issued_on, OLD.due_on, OLD.finalised_at, OLD.buyer_vat_number, OLD.tax_note, OLD.subtotal_minor,
         OLD.tax_minor, OLD.total_minor, OLD.created_by, OLD.created_at)
        OR (NEW.posting_id, NEW.period_start, NEW.period_end, NEW.tax_evidence)
        IS DISTINCT FROM (OLD.posting_id, OLD.period_start, OLD.period_end, OLD.tax_evidence)) THEN
        RAISE EXCEPTION 'invoice % has its number; only a credit note corrects it', OLD.number USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.status <> OLD.status AND NOT (OLD.status, NEW.status) IN (
        ('draft', 'open'), ('draft', 'finalizing_failed'), ('draft', 'void'), ('finalizing_failed', 'draft'),
        ('finalizing_failed', 'open'), ('finalizing_failed', 'void'), ('open', 'paid'), ('open', 'void'), ('open', 'uncollectible'),
        ('uncollectible', 'open')) THEN
        RAISE EXCEPTION 'an invoice that is % cannot become %', OLD.status, NEW.status USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER invoice_kept BEFORE UPDATE OR DELETE ON billing_invoice FOR EACH ROW EXECUTE FUNCTION billing_invoice_kept();

CREATE FUNCTION billing_invoice_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM fresh WHERE status <> 'draft' OR number <> '' OR sequence IS NOT NULL OR paid_minor <> 0 OR credited_minor <> 0
                                      OR given_up_minor <> 0 OR refunded_minor <> 0) THEN
        RAISE EXCEPTION 'an invoice is born as a draft without a number' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER invoice_born AFTER INSERT ON billing_invoice REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION billing_invoice_born();

-- Lines and taxes of a numbered invoice are part of the document.
CREATE FUNCTION billing_part_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    of_invoice bigint := CASE WHEN TG_OP = 'INSERT' THEN NEW.invoice_id ELSE OLD.invoice_id END;
BEGIN
    IF EXISTS (SELECT 1 FROM billing_invoice WHERE id = of_invoice AND number <> '') THEN
        RAISE EXCEPTION 'the invoice has its number; its lines and taxes stay as they are' USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.invoice_id <> OLD.invoice_id THEN
        RAISE EXCEPTION 'a line stays on its invoice' USING ERRCODE = 'check_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER invoice_line_kept BEFORE INSERT OR UPDATE OR DELETE ON billing_invoiceline
    FOR EACH ROW EXECUTE FUNCTION billing_part_kept();
CREATE TRIGGER invoice_tax_kept BEFORE INSERT OR UPDATE OR DELETE ON billing_invoicetax
    FOR EACH ROW EXECUTE FUNCTION billing_part_kept();

-- Applications, credit notes and rates are appended, never edited.
CREATE FUNCTION billing_appended_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are appended and never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER application_appended BEFORE UPDATE OR DELETE ON billing_application
    FOR EACH ROW EXECUTE FUNCTION billing_appended_only();
CREATE TRIGGER credit_note_appended BEFORE UPDATE OR DELETE ON billing_creditnote
    FOR EACH ROW EXECUTE FUNCTION billing_appended_only();
CREATE TRIGGER credit_note_line_appended BEFORE UPDATE OR DELETE ON billing_creditnoteline
    FOR EACH ROW EXECUTE FUNCTION billing_appended_only();
CREATE TRIGGER credit_note_tax_appended BEFORE UPDATE OR DELETE ON billing_creditnotetax
    FOR EACH ROW EXECUTE FUNCTION billing_appended_only();
CREATE TRIGGER tax_rate_appended BEFORE UPDATE OR DELETE ON billing_taxrate
    FOR EACH ROW EXECUTE FUNCTION billing_appended_only();

-- The bytes of a document are what was first made; only their seal may be renewed.
CREATE TRIGGER invoice_document_kept BEFORE DELETE OR UPDATE OF public_id, invoice_id, credit_note_id, sha256, size_bytes, made_at
    ON billing_invoicedocument FOR EACH ROW EXECUTE FUNCTION billing_appended_only();

-- A counter only counts up, and stays.
CREATE FUNCTION billing_series_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.last_number < OLD.last_number OR (NEW.entity_id, NEW.kind, NEW.year) IS DISTINCT FROM (OLD.entity_id, OLD.kind, OLD.year) THEN
        RAISE EXCEPTION 'a number series only counts up' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER number_series_kept BEFORE UPDATE OR DELETE ON billing_numberseries
    FOR EACH ROW EXECUTE FUNCTION billing_series_kept();

-- A write-off of a claim has two people, whoever writes the row.
CREATE FUNCTION billing_write_off_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.source = 'write_off' AND NEW.amount_minor > 0 AND NOT EXISTS (
        SELECT 1 FROM backoffice_approval a
         WHERE a.public_id = NEW.payment AND a.action = 'invoice_write_off' AND a.state = 'used' AND a.maker <> a.checker) THEN
        RAISE EXCEPTION 'a write-off names the approval of a second person' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER write_off_by_two BEFORE INSERT ON billing_application
    FOR EACH ROW EXECUTE FUNCTION billing_write_off_by_two();
