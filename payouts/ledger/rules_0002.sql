-- Rules of the ledger, as migration 0002 installs them. A later change is a new file with a new migration.

-- The chart of accounts, for the writer; payouts/ledger/chart.py is the same for Python (a test compares them).
CREATE TABLE ledger_chart (
    code text COLLATE "C" PRIMARY KEY, normal_sign smallint NOT NULL, guarded boolean NOT NULL, floor_minor bigint);
INSERT INTO ledger_chart (code, normal_sign, guarded, floor_minor) VALUES
    ('seller.pending', -1, true, 0),
    ('seller.available', -1, true, 0),
    ('seller.reserved', -1, true, 0),
    ('seller.in_payout', -1, true, 0),
    ('seller.advance', 1, true, 0),
    ('buyer.payable', -1, true, 0),
    ('psp.clearing', 1, false, NULL),
    ('psp.in_transit', 1, false, NULL),
    ('bank.cash', 1, true, NULL),
    ('bank.in_transit', -1, false, NULL),
    ('revenue.commission', -1, false, NULL),
    ('revenue.subscription', -1, false, NULL),
    ('revenue.payout_fee', -1, false, NULL),
    ('revenue.advance_fee', -1, false, NULL),
    ('expense.psp_fee', 1, false, NULL),
    ('expense.dispute', 1, false, NULL),
    ('expense.write_off', 1, false, NULL),
    ('expense.fx', 1, false, NULL),
    ('tax.payable', -1, false, NULL),
    ('receivable.invoice', 1, true, 0),
    ('receivable.dispute', 1, true, 0),
    ('receivable.seller_debt', 1, true, 0),
    ('fx.clearing', 1, false, NULL),
    ('suspense', 1, false, NULL);

-- Posted rows are facts: neither updated nor deleted, whoever asks.
CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'posted ledger rows cannot be changed or deleted (% on %)', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'check_violation', HINT = 'Book a reversal instead.';
END $$;
CREATE TRIGGER posting_immutable BEFORE UPDATE OR DELETE ON payouts_posting
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER entry_immutable BEFORE UPDATE OR DELETE ON payouts_entry
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();

-- An account is what its entries say it is: its identity never changes, and it is never deleted.
CREATE FUNCTION ledger_keep_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger accounts cannot be changed or deleted' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER account_kept BEFORE DELETE OR UPDATE OF id, code, holder_id, holder, currency, normal_sign, guarded ON payouts_account
    FOR EACH ROW EXECUTE FUNCTION ledger_keep_account();

-- Balance, per statement: the entries of a posting arrive in one INSERT. Row triggers would cost a query an entry, a deferred one would
-- report at commit, far from the cause. Also: every entry has its posting and its account, in that
-- account's currency; foreign keys would check row by row and lock the rows of hot accounts.
-- Its plan is made once a session, maybe for a batch of thousands: index look-ups only, so that a single posting never scans a table.
CREATE FUNCTION ledger_entries_balance() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    offender bigint;
BEGIN
    SELECT posting_id INTO offender FROM fresh GROUP BY posting_id, currency HAVING sum(amount_minor) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'posting % does not balance', offender USING ERRCODE = 'check_violation';
    END IF;
    SELECT f.posting_id INTO offender FROM fresh f LEFT JOIN payouts_account a ON a.id = f.account_id
     WHERE a.id IS NULL OR a.currency <> f.currency LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'posting % has an entry without its account, or in another currency than its account', offender
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT f.posting_id INTO offender FROM fresh f LEFT JOIN payouts_posting p ON p.id = f.posting_id WHERE p.id IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entries name a posting % that does not exist', offender USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entries_balance AFTER INSERT ON payouts_entry REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_balance();

-- Periods: nothing is recorded in a closed one; soft-closed asks for the permit a verb sets for its transaction.
CREATE FUNCTION ledger_period_open() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    shut record;
BEGIN
    SELECT p.starts_on, p.state INTO shut FROM payouts_period p
     WHERE p.state <> 'open'
       AND NOT (p.state = 'soft_closed' AND coalesce(current_setting('ledger.soft_close_permit', true), '') = 'on')
       AND EXISTS (SELECT 1 FROM fresh f WHERE (f.recorded_at AT TIME ZONE 'UTC')::date BETWEEN p.starts_on AND p.ends_on)
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the period % is %', to_char(shut.starts_on, 'YYYY-MM'), replace(shut.state, '_', '-')
            USING ERRCODE = 'check_violation', HINT = 'Book late facts today, with their effective date.';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER posting_period_open AFTER INSERT ON payouts_posting REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_period_open();

-- The one writer. Parallel arrays: p_* one element a posting, e_* one an entry (e_posting is the 1-based ordinal of its posting).
-- One INSERT of postings, one of entries, one UPDATE of guarded balances in account order; all or nothing. A repeated (template, key) with the
-- same entries answers the first posting and writes nothing; with others (or another fingerprint of their origin, where
-- the caller gives one) the whole call is refused.
-- Balances are locked before entries get their ids, so that the ids of one guarded account rise in commit order (payouts freeze ranges of
-- them); postings come before entries, so that a transaction has its xid before it draws entry ids (checkpoints rely on it).
CREATE FUNCTION ledger_post(
    p_template text[], p_version smallint[], p_key text[], p_fingerprint text[], p_source_kind text[], p_source_id bigint[],
    p_effective_at timestamptz[], p_reverses bigint[], p_actor text, p_approver text, p_reason text, p_recorded_at timestamptz,
    e_posting int[], e_code text[], e_holder_id bigint[], e_holder text[], e_currency text[], e_amount bigint[])
RETURNS TABLE (ordinal int, posting_id bigint, replayed boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    ids bigint[];
    fresh_ids bigint[];
    fresh_count int;
    clash text;
    account_ids bigint[];
    guarded_ids bigint[];
    is_guarded boolean[];
BEGIN
    -- accounts: found by index, made on first use
    SELECT array_agg(a.id ORDER BY e.n), array_agg(a.guarded ORDER BY e.n) INTO account_ids, is_guarded
      FROM unnest(e_code, e_holder_id, e_holder, e_currency) WITH ORDINALITY AS e(code, holder_id, holder, currency, n)
      LEFT JOIN payouts_account a USING (code, holder_id, holder, currency);
    IF array_position(account_ids, NULL) IS NOT NULL THEN
        -- an account and its balance are made in one statement, so nobody ever sees one without the other
        WITH missing AS MATERIALIZED (
            SELECT DISTINCT e.code, e.holder_id, e.holder, e.currency
              FROM unnest(e_code, e_holder_id, e_holder, e_currency, account_ids) AS e(code, holder_id, holder, currency, id)
             WHERE e.id IS NULL),
        made AS (
            INSERT INTO payouts_account (code, holder_id, holder, currency, normal_sign, guarded, created_at)
            SELECT m.code, m.holder_id, m.holder, m.currency, c.normal_sign, c.guarded, p_recorded_at
              FROM missing m JOIN ledger_chart c ON c.code = m.code
             ORDER BY 1, 2, 3, 4
            ON CONFLICT DO NOTHING
            RETURNING id, code, normal_sign, guarded)
        INSERT INTO payouts_balance (account_id, amount_minor, normal_sign, floor_minor)
        SELECT a.id, 0, a.normal_sign, c.floor_minor FROM made a JOIN ledger_chart c ON c.code = a.code
         WHERE a.guarded ORDER BY a.id;
        SELECT array_agg(a.id ORDER BY e.n), array_agg(a.guarded ORDER BY e.n) INTO account_ids, is_guarded
          FROM unnest(e_code, e_holder_id, e_holder, e_currency) WITH ORDINALITY AS e(code, holder_id, holder, currency, n)
          LEFT JOIN payouts_account a USING (code, holder_id, holder, currency);
        IF array_position(account_ids, NULL) IS NOT NULL THEN
            RAISE EXCEPTION 'an entry names a code that is not in the chart of accounts' USING ERRCODE = 'check_violation';
        END IF;
    END IF;

    -- guarded balances, locked in account order before anything else is written
    SELECT array_agg(DISTINCT a ORDER BY a) INTO guarded_ids FROM unnest(account_ids, is_guarded) AS u(a, g) WHERE g;
    PERFORM 1 FROM payouts_balance b WHERE b.account_id = ANY (guarded_ids) ORDER BY b.account_id FOR UPDATE;

    -- postings; their ids are drawn first, so that in the common case, all of them fresh, nothing has to be looked up again
    ids := ARRAY(SELECT nextval('payouts_posting_id_seq') FROM generate_series(1, cardinality(p_key)));
    WITH written AS (
        INSERT INTO payouts_posting (id, template, template_version, key, fingerprint, source_kind, source_id, actor, approver, reason,
                                     recorded_at, effective_at, reverses_id)
        SELECT p.id, p.template, p.version, p.key, p.fingerprint, p.source_kind, p.source_id, p_actor, p_approver, p_reason,
               p_recorded_at, p.effective_at, p.reverses
          FROM unnest(ids, p_template, p_version, p_key, p_fingerprint, p_source_kind, p_source_id, p_effective_at, p_reverses)
               AS p(id, template, version, key, fingerprint, source_kind, source_id, effective_at, reverses)
        ON CONFLICT (template, key) DO NOTHING
        RETURNING id)
    SELECT count(*), CASE WHEN count(*) < cardinality(ids) THEN array_agg(id) END INTO fresh_count, fresh_ids FROM written;
    IF fresh_count < cardinality(ids) THEN
        IF EXISTS (SELECT 1 FROM unnest(p_template, p_key) AS u(t, k) GROUP BY t, k HAVING count(*) > 1) THEN
            RAISE EXCEPTION 'one call names the same key twice' USING ERRCODE = 'check_violation';
        END IF;
        ids := ARRAY(SELECT CASE WHEN u.id = ANY (fresh_ids) THEN u.id END FROM unnest(ids) WITH ORDINALITY AS u(id, n) ORDER BY u.n);
    END IF;

    -- entries of the fresh ones
    INSERT INTO payouts_entry (posting_id, account_id, amount_minor, currency, position)
    SELECT ids[e.posting], e.account_id, e.amount, e.currency,
           e.n - min(e.n) OVER (PARTITION BY e.posting)
      FROM unnest(e_posting, account_ids, e_amount, e_currency) WITH ORDINALITY AS e(posting, account_id, amount, currency, n)
     WHERE ids[e.posting] IS NOT NULL ORDER BY e.n;

    UPDATE payouts_balance b SET amount_minor = b.amount_minor + d.delta
      FROM (SELECT e.account_id, sum(e.amount) AS delta
              FROM unnest(e_posting, account_ids, e_amount, is_guarded) AS e(posting, account_id, amount, guarded)
             WHERE e.guarded AND ids[e.posting] IS NOT NULL GROUP BY 1) d
     WHERE b.account_id = d.account_id;

    IF fresh_count = cardinality(p_key) THEN
        RETURN QUERY SELECT u.n::int, u.id, false FROM unnest(ids) WITH ORDINALITY AS u(id, n);
        RETURN;
    END IF;

    -- repeated keys: the same content answers the first posting, other content is refused
    SELECT p.template || ' ' || p.key INTO clash
      FROM unnest(p_template, p_key, p_fingerprint) AS p(template, key, fingerprint)
      JOIN payouts_posting q USING (template, key) WHERE q.fingerprint <> p.fingerprint LIMIT 1;
    IF NOT FOUND THEN
        -- compare the entries themselves
        SELECT p.template || ' ' || p.key INTO clash
          FROM unnest(p_template, p_key) WITH ORDINALITY AS p(template, key, n) JOIN payouts_posting q USING (template, key)
         WHERE ids[p.n] IS NULL AND EXISTS (
               SELECT 1 FROM (SELECT account_id, sum(amount_minor) AS amount FROM payouts_entry WHERE payouts_entry.posting_id = q.id GROUP BY 1) booked
                 FULL JOIN (SELECT u.account_id, sum(u.amount) AS amount FROM unnest(e_posting, account_ids, e_amount) AS u(posting, account_id, amount)
                             WHERE u.posting = p.n GROUP BY 1) given USING (account_id)
                WHERE booked.amount IS DISTINCT FROM given.amount) LIMIT 1;
    END IF;
    IF FOUND THEN
        RAISE EXCEPTION 'the key % was posted with other content', clash USING ERRCODE = 'unique_violation';
    END IF;
    RETURN QUERY SELECT p.n::int, q.id, ids[p.n] IS NULL
      FROM unnest(p_template, p_key) WITH ORDINALITY AS p(template, key, n) JOIN payouts_posting q USING (template, key);
END $$;
