-- Floors are decided, recorded and kept, as the migration "floors_on_record" installs it. A later change is a new file with a new migration.

-- The one way to a floor: opens guarded accounts where missing, decides their floors, and records by whom and why. Definer's rights: the role that
-- works may not write these columns itself. A floor is never put above the balance; `floor_wanted_minor` then holds where it is going, and the floor
-- follows the balance up to there (ledger_tighten_floor).
CREATE FUNCTION ledger_set_floors(
    codes text[], holders bigint[], currencies text[], floors bigint[], by_actor text, why text, decided_at timestamptz)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF coalesce(by_actor, '') = '' OR coalesce(why, '') = '' THEN
        RAISE EXCEPTION 'a floor is decided by somebody and for a reason' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT 1 FROM unnest(codes) AS w(code) LEFT JOIN ledger_chart c USING (code) WHERE c.floor_minor IS NULL) THEN
        RAISE EXCEPTION 'only guarded accounts with a floor have one to decide' USING ERRCODE = 'check_violation';
    END IF;

    WITH made AS (
        INSERT INTO payouts_account (code, holder_id, holder, currency, normal_sign, guarded, created_at)
        SELECT w.code, w.holder_id, '', w.currency, c.normal_sign, c.guarded, decided_at
          FROM unnest(codes, holders, currencies) AS w(code, holder_id, currency) JOIN ledger_chart c USING (code)
         ORDER BY 1, 2, 4
        ON CONFLICT DO NOTHING
        RETURNING id, code, normal_sign)
    INSERT INTO payouts_balance (account_id, amount_minor, normal_sign, floor_minor)
    SELECT m.id, 0, m.normal_sign, c.floor_minor FROM made m JOIN ledger_chart c USING (code) ORDER BY m.id;

    PERFORM 1 FROM unnest(codes, holders, currencies) AS w(code, holder_id, currency)
      JOIN payouts_account a ON a.code = w.code AND a.holder_id = w.holder_id AND a.currency = w.currency AND a.holder = ''
      JOIN payouts_balance b ON b.account_id = a.id ORDER BY b.account_id FOR UPDATE OF b;

    WITH decided AS MATERIALIZED (
        SELECT b.account_id, w.floor, LEAST(w.floor, b.amount_minor * b.normal_sign) AS reachable
          FROM unnest(codes, holders, currencies, floors) AS w(code, holder_id, currency, floor)
          JOIN payouts_account a ON a.code = w.code AND a.holder_id = w.holder_id AND a.currency = w.currency AND a.holder = ''
          JOIN payouts_balance b ON b.account_id = a.id
         WHERE coalesce(b.floor_wanted_minor, b.floor_minor) IS DISTINCT FROM w.floor),
    noted AS (
        INSERT INTO payouts_floorchange (account_id, floor_minor, actor, reason, recorded_at)
        SELECT account_id, floor, by_actor, why, decided_at FROM decided)
    UPDATE payouts_balance b
       SET floor_minor = d.reachable, floor_wanted_minor = CASE WHEN d.reachable < d.floor THEN d.floor END
      FROM decided d WHERE b.account_id = d.account_id;
END $$;

-- A floor that waits for its balance follows it up, in the very write that books the money, and never down again.
CREATE FUNCTION ledger_tighten_floor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.floor_minor := GREATEST(OLD.floor_minor, LEAST(OLD.floor_wanted_minor, NEW.amount_minor * NEW.normal_sign));
    IF NEW.floor_minor >= OLD.floor_wanted_minor THEN
        NEW.floor_wanted_minor := NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER balance_tightens_floor BEFORE UPDATE OF amount_minor ON payouts_balance FOR EACH ROW
    WHEN (OLD.floor_wanted_minor IS NOT NULL) EXECUTE FUNCTION ledger_tighten_floor();

-- A balance is born with the floor of the chart; another one is decided, by the function above.
CREATE FUNCTION ledger_floor_of_chart() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM fresh f JOIN payouts_account a ON a.id = f.account_id LEFT JOIN ledger_chart c ON c.code = a.code
                WHERE f.floor_minor IS DISTINCT FROM c.floor_minor OR f.floor_wanted_minor IS NOT NULL) THEN
        RAISE EXCEPTION 'a balance is born with the floor of the chart of accounts' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER balance_born_on_chart AFTER INSERT ON payouts_balance REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_floor_of_chart();

CREATE TRIGGER floor_change_kept BEFORE UPDATE OR DELETE ON payouts_floorchange FOR EACH ROW
    EXECUTE FUNCTION money_path_refuse('what was decided about a floor is kept');

-- Floors decided before they were recorded: as they stand today.
INSERT INTO payouts_floorchange (account_id, floor_minor, actor, reason, recorded_at)
SELECT b.account_id, b.floor_minor, 'system:migration', 'as it stood when decisions began to be recorded', now()
  FROM payouts_balance b JOIN payouts_account a ON a.id = b.account_id JOIN ledger_chart c ON c.code = a.code
 WHERE b.floor_minor IS DISTINCT FROM c.floor_minor;
