"""Truth 16, of exposure: a snapshot is the sum of its parts, and whoever crossed a threshold was told of."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth


@truth(
    16,
    "exposure_is_the_sum_of_its_parts",
    "Every exposure is unsettled + disputed + debt + advances − reserves, and zero at least.",
)
def exposure_is_the_sum_of_its_parts() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT public_id AS snapshot, exposure_minor FROM fraud_exposuresnapshot
            WHERE exposure_minor <> greatest(0, unsettled_minor + disputed_minor + debt_minor + advance_minor - reserved_minor) LIMIT 1000"""
    )


@truth(16, "crossed_thresholds_were_told", "Whoever was within limits one night and beyond a threshold the next was told of.")
def crossed_thresholds_were_told() -> list[dict[str, Any]]:
    return rows_of(
        """WITH nights AS (SELECT n.*, lag(n.level) OVER (PARTITION BY n.seller_id, n.currency ORDER BY n.on) AS was FROM fraud_exposuresnapshot n
                            WHERE n.on > (SELECT max(q.on) FROM fraud_exposuresnapshot q) - 14)
           SELECT n.public_id AS snapshot, n.on, n.level FROM nights n JOIN payouts_seller s ON s.id = n.seller_id
            WHERE n.level <> '' AND n.was IS NOT NULL AND (n.was = '' OR (n.was = 'warn' AND n.level = 'critical')) AND s.status <> 'closed'
              AND NOT EXISTS (SELECT 1 FROM backoffice_event e WHERE e.type = 'exposure.crossed' AND e.subject = n.public_id) LIMIT 1000"""
    )


@truth(
    16, "nights_are_the_sum_of_their_sellers", "The totals of the last two weeks' nights are the sums of the sellers' snapshots."
)
def nights_are_the_sum_of_their_sellers() -> list[dict[str, Any]]:
    return rows_of(
        """WITH recent AS (SELECT n."on", n.currency, n.sellers, n.exposure_minor FROM fraud_exposurenight n
                           WHERE n."on" > (SELECT max(q."on") FROM fraud_exposuresnapshot q) - 14),
                summed AS (SELECT s."on", s.currency, count(*) AS sellers, sum(s.exposure_minor) AS exposure_minor FROM fraud_exposuresnapshot s
                            WHERE s."on" > (SELECT max(q."on") FROM fraud_exposuresnapshot q) - 14 GROUP BY 1, 2)
           SELECT coalesce(n."on", s."on") AS night, coalesce(n.currency, s.currency) AS currency, n.exposure_minor AS said, s.exposure_minor AS summed
             FROM recent n FULL JOIN summed s ON s."on" = n."on" AND s.currency = n.currency
            WHERE (n.sellers, n.exposure_minor::numeric) IS DISTINCT FROM (s.sellers, s.exposure_minor) LIMIT 1000"""
    )
