-- A third attempt needs two people, as the migration "absence_by_two" installs it. A later change is a new file with a new migration.
-- The sweeper may close one attempt of a payout as absent by itself (recording.AUTOMATIC_ATTEMPTS); each further one only under an approval of
-- another person, whoever writes the rows. First and second attempts, all but a handful, cost nothing here.
CREATE FUNCTION payment_order_absent_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    offender text;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM fresh f WHERE f.attempt > 2) THEN
        RETURN NULL;
    END IF;
    EXECUTE $q$
        SELECT f.public_id FROM fresh f
         WHERE f.attempt > 2
           AND (SELECT count(*) FROM payouts_paymentorder o
                 WHERE o.payout_id = f.payout_id AND o.status = 'absent'
                   AND NOT EXISTS (SELECT 1 FROM backoffice_approval v
                                    WHERE v.action = 'order_absent' AND v.subject = o.public_id AND v.state = 'used'
                                      AND v.checker LIKE 'staff:%' AND v.checker <> v.maker)) > 1
         LIMIT 1 $q$ INTO offender;
    IF offender IS NOT NULL THEN
        RAISE EXCEPTION 'payment order % follows two attempts that nobody confirmed as absent', offender USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payment_order_absent_by_two AFTER INSERT ON payouts_paymentorder REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION payment_order_absent_by_two();
