"""Put existing sellers under a partner, whose keys then see them: how a marketplace that was imported from files gets its API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.sellers.models import Seller
from payouts.sellers.queries import lock_sellers


class SellerHasPartner(Refusal):
    code = "seller_has_partner"
    sentence = "The seller {external_id} belongs to another partner; take it from there first."


@composable
def assign_partner(*, external_ids: Sequence[str] | None, partner_id: int, actor: Actor, at: datetime, reason: str = "") -> int:
    """Put sellers under a partner and return how many moved; None means every seller that has no partner yet.

    All or nothing. Tells `seller.partner_assigned` for each, to the partner. Refuses: NotFound, SellerHasPartner.
    """
    wanted = (
        Seller.objects.filter(partner__isnull=True)
        if external_ids is None
        else Seller.objects.filter(external_id__in=external_ids)
    )
    sellers = lock_sellers(wanted.values_list("id", flat=True))

    missing = set(external_ids or ()) - {seller.external_id for seller in sellers}
    if missing:
        raise NotFound(what="seller", ref=min(missing)[:120])
    for seller in sellers:
        if seller.partner_id not in (None, partner_id):
            raise SellerHasPartner(external_id=seller.external_id)

    fresh = [seller for seller in sellers if seller.partner_id is None]
    Seller.objects.filter(pk__in=[seller.pk for seller in fresh], partner__isnull=True).update(partner_id=partner_id)
    for seller in fresh:
        audit.record(actor, "seller.partner", seller.public_id, at, reason=reason, facts={"partner_id": partner_id})
        tell(
            "seller.partner_assigned",
            subject=seller.public_id,
            payload={"external_id": seller.external_id},
            at=at,
            partner_id=partner_id,
        )
    return len(fresh)
