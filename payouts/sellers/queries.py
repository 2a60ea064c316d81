"""Questions about sellers: locks, look-ups, limits."""

from __future__ import annotations

from collections.abc import Iterable

from backoffice.kit.crypto import blind_index
from backoffice.kit.errors import InputError, NotFound
from backoffice.kit.money import exponent_of
from payouts.sellers.models import MinimumPayout, PayeeAccount, Seller, Tier
from payouts.sellers.states import PayeeStatus


def lock_sellers(seller_ids: Iterable[int]) -> list[Seller]:
    """Lock sellers in id order until the transaction ends, and return them; the first lock of every verb that touches a seller's money.

    FOR NO KEY UPDATE: inserting rows that refer to the seller does not wait, a second verb on the seller does.
    """
    return list(
        Seller.objects.select_for_update(no_key=True, of=("self",))
        .select_related("tier")
        .filter(pk__in=set(seller_ids))
        .order_by("pk")
    )


def lock_seller(seller_id: int) -> Seller:
    """Lock one seller. Refuses: NotFound."""
    found = lock_sellers([seller_id])
    if not found:
        raise NotFound(what="seller", ref=seller_id)
    return found[0]


class AmbiguousSeller(InputError):
    code = "ambiguous_seller"
    sentence = "Several partners have a seller {external_id}, and the house has none; name it by its id."


def find_seller(ref: str, partner_id: int | None = None) -> Seller:
    """Return a seller by public or external id; with `partner_id`, only that partner's. Refuses: NotFound, AmbiguousSeller."""
    if ref.startswith("sel_"):
        found = Seller.objects.select_related("tier").filter(public_id=ref)
        seller = (found if partner_id is None else found.filter(partner_id=partner_id)).first()
    elif partner_id is None:
        sellers, ambiguous = sellers_by_name([ref])
        if ambiguous:
            raise AmbiguousSeller(external_id=ref[:120])
        seller = sellers.get(ref)
    else:
        seller = Seller.objects.select_related("tier").filter(external_id=ref, partner_id=partner_id).first()
    if seller is None:
        raise NotFound(what="seller", ref=ref[:120])
    return seller


def sellers_by_name(external_ids: Iterable[str]) -> tuple[dict[str, Seller], set[str]]:
    """Return whom the house means by these external ids: its own seller first, else the only partner's; and the names several partners use."""
    found: dict[str, Seller] = {}
    ambiguous: set[str] = set()
    rows = Seller.objects.select_related("tier", "partner").filter(external_id__in=list(external_ids))
    for seller in sorted(rows, key=lambda one: (one.partner_id is not None, one.pk)):
        earlier = found.setdefault(seller.external_id, seller)
        if earlier is not seller and earlier.partner_id is not None:
            ambiguous.add(seller.external_id)
    return {name: seller for name, seller in found.items() if name not in ambiguous}, ambiguous


def payee_in_use(seller_id: int, currency: str) -> PayeeAccount | None:
    """Return the version a payout in this currency would go to, whatever its status, or None."""
    return PayeeAccount.objects.filter(seller_id=seller_id, currency=currency).exclude(status=PayeeStatus.SUPERSEDED).first()


def payee_history(seller_id: int, currency: str | None = None) -> list[PayeeAccount]:
    """Return every version, the newest first."""
    rows = PayeeAccount.objects.filter(seller_id=seller_id).order_by("currency", "-version")
    return list(rows.filter(currency=currency) if currency else rows)


def find_payee_by_number(number: str) -> list[PayeeAccount]:
    """Return every version of any seller with this account number, the newest first, without unsealing anything."""
    return list(PayeeAccount.objects.select_related("seller").filter(number_index=blind_index(number)).order_by("-id"))


def debt_limit_minor(tier: Tier, currency: str, override_minor: int | None = None) -> int:
    """Return how far below zero a balance may fall, in minor units of the currency."""
    return override_minor if override_minor is not None else tier.debt_limit * 10 ** exponent_of(currency)


def minimum_payout_minor(currency: str, country: str = "") -> int:
    """Return the smallest payout, the stricter of currency's and country's; 1 where none is set, since nothing is paid out at zero."""
    rows = MinimumPayout.objects.filter(currency=currency, country__in=["", country]).values_list("amount_minor", flat=True)
    return max([1, *rows])
