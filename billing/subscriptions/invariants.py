"""Truths of subscriptions and their renewal."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth


@truth(
    10,
    "renewals_are_unbroken",
    "Each renewed boundary of a subscription lies behind the one before, and none behind its present period.",
)
def unbroken() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT s.public_id AS subscription, i.period_start, s.current_period_start FROM billing_renewalitem i
             JOIN billing_subscription s ON s.id = i.subscription_id
            WHERE i.status = 'done' AND i.what = 'renewed' AND i.period_start > s.current_period_start LIMIT 100"""
    )


@truth(
    10,
    "renewals_are_invoiced",
    "A boundary that was renewed for an amount has an invoice, and no invoice stands for two boundaries.",
)
def invoiced() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT public_id AS item, invoice FROM billing_renewalitem WHERE status = 'done' AND amount_minor <> 0 AND invoice = '' AND what = 'renewed'
            UNION ALL
           SELECT min(public_id), invoice FROM billing_renewalitem WHERE invoice <> '' GROUP BY invoice HAVING count(*) > 1 LIMIT 100"""
    )


@truth(
    10,
    "subscriptions_are_awake",
    "Every subscription that runs knows when its next thing is due, and it is never behind its period's end.",
)
def awake() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT public_id AS subscription, status, next_at, current_period_end FROM billing_subscription
            WHERE status IN ('trialing', 'active', 'past_due') AND (next_at IS NULL OR next_at > current_period_end)
               OR status IN ('scheduled', 'incomplete') AND next_at IS NULL LIMIT 100"""
    )


@truth(
    10,
    "changes_follow_their_payment",
    "A change that waits for its payment has an invoice that is still being collected, or is about to be decided.",
)
def changes() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT h.public_id AS change, h.invoice, c.status FROM billing_subscriptionchange h
             LEFT JOIN billing_collection c ON c.invoice = h.invoice
            WHERE h.status = 'awaiting_payment' AND (h.invoice = '' OR c.status = 'settled') LIMIT 100"""
    )


@truth(10, "coupons_within_limits", "A coupon was given as often as its count says.")
def coupons() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT k.code, k.redemptions, count(r.id) AS given FROM billing_coupon k LEFT JOIN billing_redemption r ON r.coupon_id = k.id
            GROUP BY k.id HAVING count(r.id) <> k.redemptions LIMIT 100"""
    )
