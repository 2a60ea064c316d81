-- One statement for all sellers: every source brings its part, and one aggregate sums them; no joins of large sets whose size a planner has to guess.
WITH parts AS (
    SELECT seller_id, currency, 0::bigint AS unsettled, sum(amount_minor) AS disputed, 0::bigint AS debt, 0::bigint AS advance, 0::bigint AS reserved,
           0::bigint AS sales, 0::bigint AS sales_minor, 0::bigint AS refunds_minor, 0::bigint AS chargebacks
      FROM billing_dispute  -- open, and not yet charged to anybody
     WHERE seller_id IS NOT NULL AND amount_minor > 0 AND settled_minor = 0
       AND status IN ('warning_needs_response', 'warning_under_review', 'needs_response', 'under_review', 'appeal_needs_response', 'appeal_under_review')
     GROUP BY 1, 2
    UNION ALL  -- storage sign: what we owe is negative. Unsettled is what was sold and has not reached the seller yet
    SELECT a.holder_id, a.currency,
           CASE WHEN a.code IN ('seller.pending', 'seller.in_payout') THEN -b.amount_minor WHEN a.code = 'seller.available' THEN greatest(-b.amount_minor, 0) ELSE 0 END, 0,
           CASE WHEN a.code = 'seller.available' THEN greatest(b.amount_minor, 0) WHEN a.code = 'receivable.seller_debt' THEN b.amount_minor ELSE 0 END,
           CASE WHEN a.code = 'seller.advance' THEN b.amount_minor ELSE 0 END, CASE WHEN a.code = 'seller.reserved' THEN -b.amount_minor ELSE 0 END, 0, 0, 0, 0
      FROM payouts_account a JOIN payouts_balance b ON b.account_id = a.id
     WHERE a.holder = '' AND b.amount_minor <> 0
       AND a.code IN ('seller.pending', 'seller.available', 'seller.in_payout', 'seller.advance', 'seller.reserved', 'receivable.seller_debt')
    UNION ALL
    SELECT seller_id, currency, 0, 0, 0, 0, 0, count(*) FILTER (WHERE kind = 'sale'), coalesce(sum(gross_minor) FILTER (WHERE kind = 'sale'), 0),
           coalesce(sum(-gross_minor) FILTER (WHERE kind = 'refund'), 0), count(*) FILTER (WHERE kind = 'chargeback')
      FROM payouts_earning WHERE occurred_at > %(since)s AND occurred_at <= %(at)s AND kind IN ('sale', 'refund', 'chargeback') GROUP BY 1, 2),
summed AS (
    SELECT seller_id, currency, sum(unsettled)::bigint AS unsettled, sum(disputed)::bigint AS disputed, sum(debt)::bigint AS debt, sum(advance)::bigint AS advance,
           sum(reserved)::bigint AS reserved, sum(sales)::bigint AS sales, sum(sales_minor)::bigint AS sales_minor, sum(refunds_minor)::bigint AS refunds_minor,
           sum(chargebacks)::bigint AS chargebacks
      FROM parts GROUP BY 1, 2),
figures AS (
    SELECT s.*, greatest(0, s.unsettled + s.disputed + s.debt + s.advance - s.reserved) AS exposure,
           CASE WHEN s.sales >= %(sales_least)s AND s.sales_minor > 0 THEN least(s.refunds_minor * 10000 / s.sales_minor, 1000000)::int END AS refund_bp,
           CASE WHEN s.sales >= %(sales_least)s THEN least(s.chargebacks * 10000 / s.sales, 1000000)::int END AS chargeback_bp,
           (SELECT p.exposure_minor FROM fraud_exposuresnapshot p WHERE p.seller_id = s.seller_id AND p.currency = s.currency AND p.on = %(trend_on)s) AS before
      FROM summed s WHERE EXISTS (SELECT 1 FROM payouts_seller x WHERE x.id = s.seller_id)),
limits AS (
    SELECT key AS currency, (value ->> 'warn')::bigint AS warn, (value ->> 'critical')::bigint AS critical FROM jsonb_each(%(exposure)s::jsonb)),
growing AS (SELECT key AS currency, value::bigint AS least FROM jsonb_each_text(%(growth_from)s::jsonb)),
judged AS (
    SELECT f.*,
           CASE WHEN f.exposure >= l.critical THEN 2 WHEN f.exposure >= l.warn THEN 1 ELSE 0 END AS by_exposure,
           CASE WHEN f.refund_bp >= %(refund_critical)s THEN 2 WHEN f.refund_bp >= %(refund_warn)s THEN 1 ELSE 0 END AS by_refunds,
           CASE WHEN f.chargebacks < %(chargebacks_least)s THEN 0 WHEN f.chargeback_bp >= %(chargeback_critical)s THEN 2
                WHEN f.chargeback_bp >= %(chargeback_warn)s THEN 1 ELSE 0 END AS by_chargebacks,
           CASE WHEN f.before IS NULL OR f.before <= 0 OR f.exposure < g.least OR g.least IS NULL THEN 0
                WHEN f.exposure - f.before >= f.before::numeric * %(growth_critical)s / 100 THEN 2
                WHEN f.exposure - f.before >= f.before::numeric * %(growth_warn)s / 100 THEN 1 ELSE 0 END AS by_growth
      FROM figures f LEFT JOIN limits l USING (currency) LEFT JOIN growing g USING (currency))
INSERT INTO fraud_exposuresnapshot (public_id, seller_id, currency, "on", unsettled_minor, disputed_minor, debt_minor, advance_minor, reserved_minor,
                                    exposure_minor, sales_count, sales_minor, refunds_minor, chargebacks_count, refund_basis_points,
                                    chargeback_basis_points, before_minor, level, reasons, policy_number)
SELECT kit_typeid('exp'), seller_id, currency, %(on)s, unsettled, disputed, debt, advance, reserved, exposure, sales, sales_minor, refunds_minor, chargebacks,
       refund_bp, chargeback_bp, before,
       CASE greatest(by_exposure, by_refunds, by_chargebacks, by_growth) WHEN 2 THEN 'critical' WHEN 1 THEN 'warn' ELSE '' END,
       to_jsonb(array_remove(ARRAY[CASE WHEN by_exposure > 0 THEN 'exposure' END, CASE WHEN by_refunds > 0 THEN 'refunds' END,
                                   CASE WHEN by_chargebacks > 0 THEN 'chargebacks' END, CASE WHEN by_growth > 0 THEN 'growth' END], NULL)),
       %(policy)s
  FROM judged
ON CONFLICT (seller_id, currency, "on") DO NOTHING
