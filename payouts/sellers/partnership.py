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


class SellerNameTaken(Refusal):
    code = "seller_name_taken"
    sentence = "The partner has a seller {external_id} already; rename one of the two first."


@composable
def assign_partner(*, external_ids: Sequence[str] | None, partner_id: int, actor: Actor, at: datetime, reason: str = "") -> int:
    """Put sellers under a partner and return how many moved; None means every seller that has no partner yet.

    A name means the house's own seller, else the partner's, which stays where it is. All or nothing. Tells `seller.partner_assigned` for
    each, to the partner. Refuses: NotFound, SellerHasPartner, SellerNameTaken.
    """
    rows = Seller.objects.filter(partner__isnull=True)
    if external_ids is not None:
        rows = Seller.objects.filter(external_id__in=external_ids)
    sellers = _meant(lock_sellers(rows.values_list("id", flat=True)), partner_id)

    missing = set(external_ids or ()) - {seller.external_id for seller in sellers}
    if missing:
        raise NotFound(what="seller", ref=min(missing)[:120])
    for seller in sellers:
        if seller.partner_id not in (None, partner_id):
            raise SellerHasPartner(external_id=seller.external_id)

    fresh = [seller for seller in sellers if seller.partner_id is None]
    taken = Seller.objects.filter(partner_id=partner_id, external_id__in=[seller.external_id for seller in fresh]).first()
    if taken is not None:
        raise SellerNameTaken(external_id=taken.external_id)
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


def _meant(sellers: Sequence[Seller], partner_id: int) -> list[Seller]:
    """Return one seller a name: the house's, else the partner's own, else another's."""
    order = {None: 0, partner_id: 1}
    found: dict[str, Seller] = {}
    for seller in sorted(sellers, key=lambda one: order.get(one.partner_id, 2)):
        found.setdefault(seller.external_id, seller)
    return list(found.values())
