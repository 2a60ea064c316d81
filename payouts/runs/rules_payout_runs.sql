-- Rules of payouts, as the migration "payout_run_rules" installs them. A later change is a new file with a new migration.

-- Days on which a schedule pays. Weekly: ISO weekday; monthly: that day, or the last of a shorter month; manual: never.
CREATE FUNCTION payout_day_on_or_before(schedule text, day int, on_date date) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE schedule
        WHEN 'daily' THEN on_date
        WHEN 'weekly' THEN on_date - ((extract(isodow FROM on_date)::int - day + 35) % 7)
        WHEN 'monthly' THEN CASE
            WHEN extract(day FROM on_date)::int
                 >= least(day, extract(day FROM date_trunc('month', on_date::timestamp) + interval '1 month - 1 day')::int)
            THEN date_trunc('month', on_date::timestamp)::date - 1
                 + least(day, extract(day FROM date_trunc('month', on_date::timestamp) + interval '1 month - 1 day')::int)
            ELSE (date_trunc('month', on_date::timestamp) - interval '1 month')::date - 1
                 + least(day, extract(day FROM date_trunc('month', on_date::timestamp) - interval '1 day')::int)
            END
        END
$$;
CREATE FUNCTION payout_day_on_or_after(schedule text, day int, on_date date) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE schedule
        WHEN 'daily' THEN on_date
        WHEN 'weekly' THEN on_date + ((day - extract(isodow FROM on_date)::int + 14) % 7)
        WHEN 'monthly' THEN CASE
            WHEN extract(day FROM on_date)::int
                 <= least(day, extract(day FROM date_trunc('month', on_date::timestamp) + interval '1 month - 1 day')::int)
            THEN date_trunc('month', on_date::timestamp)::date - 1
                 + least(day, extract(day FROM date_trunc('month', on_date::timestamp) + interval '1 month - 1 day')::int)
            ELSE (date_trunc('month', on_date::timestamp) + interval '1 month')::date - 1
                 + least(day, extract(day FROM date_trunc('month', on_date::timestamp) + interval '2 months - 1 day')::int)
            END
        END
$$;

-- What an approval of a run is bound to: every payout of it that is not taken out, to the cent, the account number and the lines.
CREATE FUNCTION payout_run_content_hash(of_run bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(sha256(convert_to(coalesce(string_agg(
               concat_ws('|', p.id, p.seller_id, p.payee_account_id, a.number_index, p.currency, p.amount_minor, p.rail,
                         p.available_account_id, p.lines_after_entry_id, p.lines_upto_entry_id, p.brought_forward_minor,
                         p.carried_forward_minor),
               E'\n' ORDER BY p.id), ''), 'UTF8')), 'hex')
      FROM payouts_payout p JOIN payouts_payeeaccount a ON a.id = p.payee_account_id
     WHERE p.run_id = of_run AND p.status NOT IN ('canceled', 'denied', 'expired')
$$;

-- A payout is born waiting for approval, pays its own seller, and equals its lines: every entry of the seller's available account since
-- the previous payout's own booking up to its own booking, none left out, none taken twice.
-- EXECUTE, here and below: a plan cached for one row would be kept for a run of 100,000.
CREATE FUNCTION payout_born_whole() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    offender text;
BEGIN
    SELECT f.public_id INTO offender FROM fresh f WHERE f.status <> 'needs_approval' OR f.built_entry_id IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'payout % is not born booked and waiting for approval', offender USING ERRCODE = 'check_violation';
    END IF;

    EXECUTE $q$
        SELECT f.public_id
          FROM fresh f
          LEFT JOIN payouts_account a ON a.id = f.available_account_id AND a.code = 'seller.available'
                                     AND a.holder_id = f.seller_id AND a.currency = f.currency
          LEFT JOIN payouts_payeeaccount p ON p.id = f.payee_account_id AND p.seller_id = f.seller_id AND p.currency = f.currency
          LEFT JOIN payouts_entry e ON e.id = f.built_entry_id AND e.account_id = f.available_account_id
                                   AND e.amount_minor = f.amount_minor
         WHERE a.id IS NULL OR p.id IS NULL OR e.id IS NULL
         LIMIT 1 $q$ INTO offender;
    IF offender IS NOT NULL THEN
        RAISE EXCEPTION 'payout % names an account, a payee account or a booking that is not its own', offender
            USING ERRCODE = 'check_violation';
    END IF;

    EXECUTE $q$
        SELECT f.public_id
          FROM fresh f
          LEFT JOIN LATERAL (SELECT q.built_entry_id, q.carried_forward_minor FROM payouts_payout q
                              WHERE q.available_account_id = f.available_account_id
                                AND q.lines_after_entry_id < f.lines_after_entry_id
                              ORDER BY q.lines_after_entry_id DESC LIMIT 1) earlier ON true
         WHERE f.lines_after_entry_id <> coalesce(earlier.built_entry_id, 0)
            OR f.brought_forward_minor <> coalesce(earlier.carried_forward_minor, 0)
         LIMIT 1 $q$ INTO offender;
    IF offender IS NOT NULL THEN
        RAISE EXCEPTION 'the lines of payout % do not follow the previous payout', offender USING ERRCODE = 'check_violation';
    END IF;

    -- summed up to the booking itself: an entry between the last line and the booking would belong to no payout
    EXECUTE $q$
        SELECT f.public_id
          FROM fresh f
          CROSS JOIN LATERAL (SELECT coalesce(-sum(e.amount_minor), 0) AS total, coalesce(max(e.id), 0) AS last_id
                                FROM payouts_entry e
                               WHERE e.account_id = f.available_account_id
                                 AND e.id > f.lines_after_entry_id AND e.id < f.built_entry_id) l
         WHERE l.total + f.brought_forward_minor - f.carried_forward_minor <> f.amount_minor
            OR l.last_id > f.lines_upto_entry_id OR f.lines_upto_entry_id >= f.built_entry_id
         LIMIT 1 $q$ INTO offender;
    IF offender IS NOT NULL THEN
        RAISE EXCEPTION 'the lines of payout % do not add up to its amount', offender USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payout_born_whole AFTER INSERT ON payouts_payout REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION payout_born_whole();

-- A payout's content is frozen and its status moves along the table of payouts/runs/states.py (a test compares them). The conditions stand
-- in WHEN, so that a lawful change of 100,000 rows calls no function.
CREATE FUNCTION payout_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payout %: %', OLD.public_id, TG_ARGV[0] USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER payout_content_frozen BEFORE UPDATE ON payouts_payout FOR EACH ROW
    WHEN ((OLD.id, OLD.public_id, OLD.run_id, OLD.seller_id, OLD.payee_account_id, OLD.currency, OLD.amount_minor, OLD.rail, OLD.instant,
           OLD.available_account_id, OLD.lines_after_entry_id, OLD.lines_upto_entry_id, OLD.built_entry_id,
           OLD.brought_forward_minor, OLD.carried_forward_minor, OLD.maker, OLD.reference, OLD.built_at)
          IS DISTINCT FROM
          (NEW.id, NEW.public_id, NEW.run_id, NEW.seller_id, NEW.payee_account_id, NEW.currency, NEW.amount_minor, NEW.rail, NEW.instant,
           NEW.available_account_id, NEW.lines_after_entry_id, NEW.lines_upto_entry_id, NEW.built_entry_id,
           NEW.brought_forward_minor, NEW.carried_forward_minor, NEW.maker, NEW.reference, NEW.built_at))
    EXECUTE FUNCTION payout_refuse_change('its content is frozen');
CREATE TRIGGER payout_checker_frozen BEFORE UPDATE ON payouts_payout FOR EACH ROW
    WHEN (OLD.checker IS DISTINCT FROM NEW.checker AND NOT (OLD.status = 'needs_approval' AND NEW.status = 'approved'))
    EXECUTE FUNCTION payout_refuse_change('its checker is frozen');
CREATE TRIGGER payout_moves BEFORE UPDATE ON payouts_payout FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND (OLD.status || '>' || NEW.status) NOT IN (
        'needs_approval>approved', 'needs_approval>denied', 'needs_approval>canceled', 'needs_approval>expired',
        'approved>pending', 'approved>held', 'approved>canceled', 'approved>expired', 'approved>failed',
        'held>approved', 'held>canceled', 'held>expired',
        'pending>in_transit', 'pending>approved', 'pending>failed', 'pending>canceled',
        'in_transit>paid', 'in_transit>failed', 'in_transit>returned',
        'paid>returned'))
    EXECUTE FUNCTION payout_refuse_change('this move of its status is not allowed');
CREATE TRIGGER payout_never_deleted BEFORE DELETE ON payouts_payout FOR EACH ROW
    EXECUTE FUNCTION payout_refuse_change('payouts are never deleted');

-- Approved only under an approval by another person than the maker, for exactly what the run holds.
CREATE FUNCTION payout_approved_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    offender text;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM changed c WHERE c.status = 'approved') THEN
        RETURN NULL;
    END IF;
    EXECUTE $q$
        SELECT coalesce(r.public_id, 'without a run')
          FROM (SELECT DISTINCT c.run_id, c.maker, c.checker FROM changed c WHERE c.status = 'approved') g
          LEFT JOIN payouts_payoutrun r ON r.id = g.run_id
         WHERE EXISTS (SELECT 1 FROM unchanged u WHERE u.status = 'needs_approval' AND u.run_id IS NOT DISTINCT FROM g.run_id)
           AND NOT EXISTS (
               SELECT 1 FROM backoffice_approval v
                WHERE v.action = 'payout_run' AND v.subject = r.public_id AND v.state IN ('approved', 'used')
                  AND v.maker = g.maker AND v.checker = g.checker AND v.checker <> v.maker AND v.checker LIKE 'staff:%'
                  AND v.content_hash = payout_run_content_hash(r.id))
         LIMIT 1 $q$ INTO offender;
    IF offender IS NOT NULL THEN
        RAISE EXCEPTION 'the payouts of the run % are not approved by a second person for this content', offender
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payout_approved_by_two AFTER UPDATE ON payouts_payout REFERENCING OLD TABLE AS unchanged NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION payout_approved_by_two();
