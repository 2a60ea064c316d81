-- Further guards of the money path, as the migration "money_path_guards" installs them. A later change is a new file with a new migration.

CREATE FUNCTION money_path_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'check_violation';
END $$;

-- A posting is whole from its first statement: entries start at position 0, which is unique, so nothing can be added to one later.
CREATE FUNCTION ledger_entries_whole() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM fresh GROUP BY posting_id HAVING min(position) <> 0) THEN
        RAISE EXCEPTION 'entries are added to a posting that has its own already' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entries_whole AFTER INSERT ON payouts_entry REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_whole();
-- What only two people may book has two people on it, whoever writes the row.
ALTER TABLE payouts_posting ADD CONSTRAINT posting_by_two CHECK (
    template NOT IN ('adjustment', 'write_off') OR (approver LIKE 'staff:%' AND approver <> actor));
CREATE TRIGGER balance_kept BEFORE DELETE ON payouts_balance FOR EACH ROW
    EXECUTE FUNCTION money_path_refuse('balances are never deleted');

-- A cool-off is never shortened, and a replaced account stays replaced.
CREATE TRIGGER payee_cool_off_stands BEFORE UPDATE ON payouts_payeeaccount FOR EACH ROW
    WHEN (NEW.cool_off_until < OLD.cool_off_until)
    EXECUTE FUNCTION money_path_refuse('a cool-off is not shortened');
CREATE TRIGGER payee_replaced_for_good BEFORE UPDATE ON payouts_payeeaccount FOR EACH ROW
    WHEN (OLD.status = 'superseded' AND NEW.status <> 'superseded')
    EXECUTE FUNCTION money_path_refuse('a replaced account stays replaced');

-- Runs: who made it, when it expires and, once decided, what it holds.
CREATE TRIGGER run_frozen BEFORE UPDATE ON payouts_payoutrun FOR EACH ROW
    WHEN ((OLD.id, OLD.public_id, OLD.run_on, OLD.currency, OLD.kind, OLD.maker, OLD.built_at, OLD.expires_at)
          IS DISTINCT FROM
          (NEW.id, NEW.public_id, NEW.run_on, NEW.currency, NEW.kind, NEW.maker, NEW.built_at, NEW.expires_at)
          OR OLD.status <> 'needs_approval' AND (OLD.content_hash, OLD.checker) IS DISTINCT FROM (NEW.content_hash, NEW.checker))
    EXECUTE FUNCTION money_path_refuse('what was put to approval is frozen');
-- The moves of payouts/runs/states.py (a test compares them).
CREATE TRIGGER run_moves BEFORE UPDATE ON payouts_payoutrun FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND (OLD.status || '>' || NEW.status) NOT IN (
        'needs_approval>approved', 'needs_approval>denied', 'needs_approval>canceled', 'needs_approval>expired',
        'approved>submitted', 'approved>canceled', 'approved>expired', 'submitted>completed'))
    EXECUTE FUNCTION money_path_refuse('this move of its status is not allowed');
CREATE TRIGGER run_kept BEFORE DELETE ON payouts_payoutrun FOR EACH ROW
    EXECUTE FUNCTION money_path_refuse('runs are never deleted');

-- A file that was set aside or refused never becomes one to hand over again (the moves of payouts/dispatch/states.py).
CREATE TRIGGER rail_file_moves BEFORE UPDATE ON payouts_railfile FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state) NOT IN (
        'built>handed_over', 'built>invalid', 'handed_over>accepted', 'handed_over>partly_accepted', 'handed_over>rejected',
        'accepted>partly_accepted', 'accepted>rejected', 'partly_accepted>rejected'))
    EXECUTE FUNCTION money_path_refuse('this move of its state is not allowed');

-- What was earned and held, and what banks told us, is kept.
CREATE TRIGGER earning_kept BEFORE DELETE ON payouts_earning FOR EACH ROW
    EXECUTE FUNCTION money_path_refuse('earnings are never deleted');
CREATE TRIGGER hold_kept BEFORE DELETE ON payouts_hold FOR EACH ROW
    EXECUTE FUNCTION money_path_refuse('holds are never deleted');
CREATE TRIGGER bank_entry_kept BEFORE DELETE ON payouts_bankfileentry FOR EACH ROW
    EXECUTE FUNCTION money_path_refuse('lines of bank files are never deleted');
