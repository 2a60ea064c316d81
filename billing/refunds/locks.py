"""The order of locks of refunds: sellers, then the payment, then the refund."""

from __future__ import annotations

from backoffice.kit.errors import NotFound
from billing.payments.applying import lock_payment
from billing.refunds.models import Refund
from payouts.sellers.queries import lock_sellers


def lock_refund(refund_id: int) -> Refund:
    """Lock a refund with its seller and its payment until the transaction ends. Refuses: NotFound."""
    ids = Refund.objects.filter(pk=refund_id).values_list("seller_id", "payment_id").first()
    if ids is None:
        raise NotFound(what="refund", ref=refund_id)
    if ids[0] is not None:
        lock_sellers([ids[0]])
    payment = lock_payment(ids[1]) if ids[1] is not None else None
    refund = Refund.objects.select_for_update(of=("self",)).select_related("customer", "seller").get(pk=refund_id)
    if payment is not None:
        refund.payment = payment
    return refund
