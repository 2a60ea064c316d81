-- One statement for all sellers. Each part is one aggregate; a seller without any of them gets no row.
WITH unsettled AS (  -- sold, and not yet free: what a buyer can still come back for
    SELECT seller_id, currency, sum(gross_minor)::bigint AS minor FROM payouts_earning
     WHERE kind = 'sale' AND pending_minor > 0 GROUP BY 1, 2),
disputed AS (  -- open, and not yet charged to anybody
    SELECT seller_id, currency, sum(amount_minor)::bigint AS minor FROM billing_dispute
     WHERE seller_id IS NOT NULL AND amount_minor > 0 AND settled_minor = 0
       AND status IN ('warning_needs_response', 'warning_under_review', 'needs_response', 'under_review', 'appeal_needs_response', 'appeal_under_review')
     GROUP BY 1, 2),
buckets AS (  -- storage sign: what we owe is negative
    SELECT a.holder_id AS seller_id, a.currency,
           sum(CASE WHEN a.code = 'seller.available' THEN greatest(b.amount_minor, 0) WHEN a.code = 'receivable.seller_debt' THEN b.amount_minor ELSE 0 END)::bigint AS debt,
           sum(CASE WHEN a.code = 'seller.advance' THEN b.amount_minor ELSE 0 END)::bigint AS advance,
           sum(CASE WHEN a.code = 'seller.reserved' THEN -b.amount_minor ELSE 0 END)::bigint AS reserved
      FROM payouts_account a JOIN payouts_balance b ON b.account_id = a.id
     WHERE a.holder = '' AND a.code IN ('seller.available', 'receivable.seller_debt', 'seller.advance', 'seller.reserved') GROUP BY 1, 2),
sold AS (
    SELECT seller_id, currency, count(*) FILTER (WHERE kind = 'sale') AS sales, coalesce(sum(gross_minor) FILTER (WHERE kind = 'sale'), 0)::bigint AS sales_minor,
           coalesce(sum(-gross_minor) FILTER (WHERE kind = 'refund'), 0)::bigint AS refunds_minor, count(*) FILTER (WHERE kind = 'chargeback') AS chargebacks
      FROM payouts_earning WHERE occurred_at > %(since)s AND occurred_at <= %(at)s AND kind IN ('sale', 'refund', 'chargeback') GROUP BY 1, 2),
named AS (
    SELECT seller_id, currency FROM unsettled UNION SELECT seller_id, currency FROM disputed
    UNION SELECT seller_id, currency FROM buckets WHERE debt <> 0 OR advance <> 0 OR reserved <> 0 UNION SELECT seller_id, currency FROM sold),
figures AS (
    SELECT n.seller_id, n.currency, coalesce(u.minor, 0) AS unsettled, coalesce(d.minor, 0) AS disputed, coalesce(b.debt, 0) AS debt,
           coalesce(b.advance, 0) AS advance, coalesce(b.reserved, 0) AS reserved,
           greatest(0, coalesce(u.minor, 0) + coalesce(d.minor, 0) + coalesce(b.debt, 0) + coalesce(b.advance, 0) - coalesce(b.reserved, 0)) AS exposure,
           coalesce(s.sales, 0) AS sales, coalesce(s.sales_minor, 0) AS sales_minor, coalesce(s.refunds_minor, 0) AS refunds_minor,
           coalesce(s.chargebacks, 0) AS chargebacks,
           CASE WHEN s.sales >= %(sales_least)s AND s.sales_minor > 0 THEN least(s.refunds_minor * 10000 / s.sales_minor, 1000000)::int END AS refund_bp,
           CASE WHEN s.sales >= %(sales_least)s THEN least(s.chargebacks * 10000 / s.sales, 1000000)::int END AS chargeback_bp,
           p.exposure_minor AS before
      FROM named n
      LEFT JOIN unsettled u USING (seller_id, currency) LEFT JOIN disputed d USING (seller_id, currency)
      LEFT JOIN buckets b USING (seller_id, currency) LEFT JOIN sold s USING (seller_id, currency)
      LEFT JOIN fraud_exposuresnapshot p ON p.seller_id = n.seller_id AND p.currency = n.currency AND p.on = %(trend_on)s
     WHERE EXISTS (SELECT 1 FROM payouts_seller x WHERE x.id = n.seller_id)),
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
