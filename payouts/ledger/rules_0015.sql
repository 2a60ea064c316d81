-- The writer takes each account once, as migration 0015 installs it; it replaces the one of rules_0002.sql.

-- A call names its accounts once (a_*), however many entries they get: a batch of sales touches the platform's accounts thousands of times.
-- Parallel arrays: p_* one element a posting, a_* one an account, e_* one an entry. Ordinals count from 1: e_posting, e_account, and p_first, the
-- entry a posting begins with (its entries stand together, in the postings' order). Answers the ids in the postings' order, and which of them
-- were booked by an earlier call (NULL: none). One INSERT of postings, one of entries, one UPDATE of guarded balances in account order; all or nothing. A repeated
-- (template, key) with the same entries answers the first posting and writes nothing; with others (or another fingerprint of their origin, where
-- the caller gives one) the whole call is refused.
-- One plan a session, for one posting and for ten thousand: index look-ups from the arrays. A plan made for the very values would also copy
-- the arrays into itself, and a copied text[] is searched from its beginning at every subscript.
-- Balances are locked before entries get their ids, so that the ids of one guarded account rise in commit order (payouts freeze ranges of
-- them); postings come before entries, so that a transaction has its xid before it draws entry ids (checkpoints rely on it).
CREATE FUNCTION ledger_post(
    p_template text[], p_version smallint[], p_key text[], p_fingerprint text[], p_source_kind text[], p_source_id bigint[],
    p_effective_at timestamptz[], p_reverses bigint[], p_first int[],
    p_actor text, p_approver text, p_reason text, p_recorded_at timestamptz,
    a_code text[], a_holder_id bigint[], a_holder text[], a_currency text[],
    e_posting int[], e_account int[], e_amount bigint[],
    OUT posting_ids bigint[], OUT replayed boolean[])
LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    ids bigint[];  -- of fresh postings; NULL where an earlier call booked it
    fresh_ids bigint[];
    fresh_count int;
    clash text;
    account_ids bigint[];
    is_guarded boolean[];
BEGIN
    -- accounts: found by index, made on first use
    SELECT array_agg(a.id ORDER BY w.n), array_agg(a.guarded ORDER BY w.n) INTO account_ids, is_guarded
      FROM unnest(a_code, a_holder_id, a_holder, a_currency) WITH ORDINALITY AS w(code, holder_id, holder, currency, n)
      LEFT JOIN payouts_account a USING (code, holder_id, holder, currency);
    IF array_position(account_ids, NULL) IS NOT NULL THEN
        -- an account and its balance are made in one statement, so nobody ever sees one without the other
        WITH missing AS MATERIALIZED (
            SELECT DISTINCT w.code, w.holder_id, w.holder, w.currency
              FROM unnest(a_code, a_holder_id, a_holder, a_currency, account_ids) AS w(code, holder_id, holder, currency, id)
             WHERE w.id IS NULL),
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
        SELECT array_agg(a.id ORDER BY w.n), array_agg(a.guarded ORDER BY w.n) INTO account_ids, is_guarded
          FROM unnest(a_code, a_holder_id, a_holder, a_currency) WITH ORDINALITY AS w(code, holder_id, holder, currency, n)
          LEFT JOIN payouts_account a USING (code, holder_id, holder, currency);
        IF array_position(account_ids, NULL) IS NOT NULL THEN
            RAISE EXCEPTION 'an entry names a code that is not in the chart of accounts' USING ERRCODE = 'check_violation';
        END IF;
    END IF;

    -- guarded balances, locked in account order before anything else is written
    PERFORM 1 FROM payouts_balance b
     WHERE b.account_id = ANY (ARRAY(SELECT u.a FROM unnest(account_ids, is_guarded) AS u(a, g) WHERE u.g))
     ORDER BY b.account_id FOR UPDATE;

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
    SELECT ids[e.posting], account_ids[e.account], e.amount, a_currency[e.account], e.n - p_first[e.posting]
      FROM unnest(e_posting, e_account, e_amount) WITH ORDINALITY AS e(posting, account, amount, n)
     WHERE ids[e.posting] IS NOT NULL;  -- a function scan comes in the order of its arrays, and so do the ids

    UPDATE payouts_balance b SET amount_minor = b.amount_minor + d.delta
      FROM (SELECT account_ids[e.account] AS account_id, sum(e.amount) AS delta
              FROM unnest(e_posting, e_account, e_amount) AS e(posting, account, amount)
             WHERE is_guarded[e.account] AND ids[e.posting] IS NOT NULL GROUP BY 1) d
     WHERE b.account_id = d.account_id;

    IF fresh_count = cardinality(p_key) THEN
        posting_ids := ids;
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
                 FULL JOIN (SELECT account_ids[u.account] AS account_id, sum(u.amount) AS amount
                              FROM unnest(e_posting, e_account, e_amount) AS u(posting, account, amount)
                             WHERE u.posting = p.n GROUP BY 1) given USING (account_id)
                WHERE booked.amount IS DISTINCT FROM given.amount) LIMIT 1;
    END IF;
    IF FOUND THEN
        RAISE EXCEPTION 'the key % was posted with other content', clash USING ERRCODE = 'unique_violation';
    END IF;
    SELECT array_agg(q.id ORDER BY p.n), array_agg(ids[p.n] IS NULL ORDER BY p.n) INTO posting_ids, replayed
      FROM unnest(p_template, p_key) WITH ORDINALITY AS p(template, key, n) JOIN payouts_posting q USING (template, key);
END $$;

-- The balance trigger looks every posting and every account up once, not once an entry. Its plan is made once a session, maybe for a batch of
-- thousands: index look-ups only, so that a single posting never scans a table.
CREATE OR REPLACE FUNCTION ledger_entries_balance() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    offender record;
BEGIN
    SELECT g.posting_id, g.total INTO offender
      FROM (SELECT posting_id, currency, sum(amount_minor) AS total FROM fresh GROUP BY posting_id, currency) AS g
      LEFT JOIN payouts_posting p ON p.id = g.posting_id
     WHERE g.total <> 0 OR p.id IS NULL LIMIT 1;
    IF FOUND THEN
        IF offender.total <> 0 THEN
            RAISE EXCEPTION 'posting % does not balance', offender.posting_id USING ERRCODE = 'check_violation';
        END IF;
        RAISE EXCEPTION 'entries name a posting % that does not exist', offender.posting_id USING ERRCODE = 'check_violation';
    END IF;
    SELECT g.posting_id INTO offender
      FROM (SELECT account_id, currency, min(posting_id) AS posting_id FROM fresh GROUP BY account_id, currency) AS g
      LEFT JOIN payouts_account a ON a.id = g.account_id
     WHERE a.id IS NULL OR a.currency <> g.currency LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'posting % has an entry without its account, or in another currency than its account', offender.posting_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
