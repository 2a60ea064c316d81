-- Approved only under an approval by another person than the maker, for exactly what the run holds; as migration 0053 installs it, in place of
-- the function of rules_payout_runs.sql. The hash of a run is taken once (OFFSET keeps the planner from asking for it in a join condition).
CREATE OR REPLACE FUNCTION payout_approved_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
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
          LEFT JOIN LATERAL (SELECT payout_run_content_hash(r.id) AS content_hash OFFSET 0) h ON true
         WHERE EXISTS (SELECT 1 FROM unchanged u WHERE u.status = 'needs_approval' AND u.run_id IS NOT DISTINCT FROM g.run_id)
           AND NOT EXISTS (
               SELECT 1 FROM backoffice_approval v
                WHERE v.action = 'payout_run' AND v.subject = r.public_id AND v.state IN ('approved', 'used')
                  AND v.maker = g.maker AND v.checker = g.checker AND v.checker <> v.maker AND v.checker LIKE 'staff:%'
                  AND v.content_hash = h.content_hash)
         LIMIT 1 $q$ INTO offender;
    IF offender IS NOT NULL THEN
        RAISE EXCEPTION 'the payouts of the run % are not approved by a second person for this content', offender
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
