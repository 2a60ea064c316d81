"""Questions about a seller's review: the queue, who is linked to whom, the ownership picture, the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from django.db.models import Q as Where
from django.db.models import QuerySet

from backoffice.kit.invariants import rows_of
from backoffice.kit.states import StateChange
from payouts.compliance.catalogue import catalogue_of
from payouts.compliance.models import Person, Requirement, SellerCapabilities, Stake
from payouts.compliance.settling import live_persons, structure_of
from payouts.compliance.states import Capability, CapabilityCode
from payouts.ledger.queries import seller_buckets
from payouts.sellers.models import PayeeAccount, Seller
from payouts.sellers.states import SellerStatus

# What staff's own orders switch off, whatever the requirements say.
_ORDERS = {
    SellerStatus.PAUSED: {Capability.PAY_OUT: "paused_by_staff"},
    SellerStatus.BLOCKED: dict.fromkeys(Capability, "blocked"),
    SellerStatus.CLOSED: dict.fromkeys(Capability, "closed"),
}


@dataclass(frozen=True, slots=True)
class CapabilityNow:
    """Whether a seller may do one thing; `code` says why not."""

    capability: str
    enabled: bool
    code: str


def capabilities_of(seller: Seller) -> list[CapabilityNow]:
    """Return what a seller may do now: what its requirements say, and staff's orders on top."""
    stored = SellerCapabilities.objects.filter(seller=seller).first()
    found = []
    for one in Capability:
        derived = getattr(stored, f"{one.value}_code") if stored else str(CapabilityCode.NOT_ASSESSED)
        code = _ORDERS.get(SellerStatus(seller.status), {}).get(one) or derived
        found.append(CapabilityNow(one.value, not code, code))
    return found


def open_requirements(seller: Seller) -> QuerySet[Requirement]:
    """Return what keeps or will keep a seller from something, the most urgent first."""
    return (
        Requirement.objects.filter(seller=seller)
        .exclude(state__in=["satisfied", "waived", "withdrawn"])
        .order_by("deadline_at", "pk")
    )


# --- the reviewers' queue ------------------------------------------------------------------------------------------------


def waiting_for_review(at: datetime) -> QuerySet[Seller]:
    """Return the sellers with something given that a person has to decide."""
    pending = Requirement.objects.filter(state="pending_verification", by_person=True)
    return Seller.objects.filter(pk__in=pending.values("seller_id")).exclude(status=SellerStatus.CLOSED)


_QUEUE = """
    SELECT s.id, s.public_id, s.legal_name, count(*) AS requirements, min(r.provided_at) AS since, min(r.deadline_at) AS deadline_at,
           bool_or(r.gating) AS is_stopped, coalesce(k.level, '') AS risk, coalesce(w.amount, 0)::bigint AS waiting_minor, s.currency, c.claimed_by, c.until
      FROM payouts_requirement r JOIN payouts_seller s ON s.id = r.seller_id
      LEFT JOIN payouts_riskrating k ON k.seller_id = s.id AND k.is_current
      LEFT JOIN payouts_claim c ON c.seller_id = s.id AND c.until > %(at)s
      LEFT JOIN (SELECT a.holder_id, a.currency, -sum(b.amount_minor) AS amount FROM payouts_account a JOIN payouts_balance b ON b.account_id = a.id
                  WHERE a.code IN ('seller.available', 'seller.pending') GROUP BY 1, 2) w ON w.holder_id = s.id AND w.currency = s.currency
     WHERE r.state = 'pending_verification' AND r.by_person AND s.status <> 'closed' {free}
     GROUP BY s.id, c.claimed_by, c.until, w.amount, k.level, k.score
     ORDER BY min(r.deadline_at) NULLS LAST, bool_or(r.gating) DESC, coalesce(k.score, 0) DESC, coalesce(w.amount, 0) DESC, min(r.provided_at) LIMIT %(limit)s"""


def review_queue(*, at: datetime, limit: int = 50, free_for: str = "") -> list[dict[str, Any]]:
    """Return who waits for a reviewer, in working order: deadline, then who is stopped by it, then risk, money waiting and age.

    `free_for` leaves out what somebody else has claimed.
    """
    free = "AND (c.claimed_by IS NULL OR c.claimed_by = %(me)s)" if free_for else ""
    return rows_of(_QUEUE.format(free=free), {"at": at, "limit": limit, "me": free_for})


# --- one seller ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Owner:
    """One line of the ownership picture: a holder under what it holds; shares as fractions."""

    person: Person
    depth: int
    direct: Fraction
    effective: Fraction
    is_beneficial: bool


def ownership_picture(seller: Seller) -> tuple[list[Owner], list[str]]:
    """Return the owners from the seller outwards, each under the company it holds, and what is wrong with the picture."""
    persons = {one.pk: one for one in live_persons(seller)}
    structure = structure_of(seller, list(persons.values()))
    catalogue = catalogue_of(seller.country)
    people = [pk for pk, one in persons.items() if one.kind == "person"]
    beneficial = structure.owners(people, catalogue.threshold_basis_points, inclusive=catalogue.threshold_inclusive)
    held: dict[int | None, list[Stake]] = {}
    for stake in Stake.objects.filter(seller=seller).order_by("-basis_points", "pk"):
        held.setdefault(stake.company_id, []).append(stake)
    lines: list[Owner] = []
    stack: list[tuple[Stake, tuple[int, ...]]] = [(stake, ()) for stake in reversed(held.get(None, []))]
    while stack and len(lines) < 500:
        stake, way = stack.pop()
        pk = stake.holder_id
        share = structure.shares.get(pk, Fraction(0))
        lines.append(Owner(persons[pk], len(way), Fraction(stake.basis_points, 10_000), share, pk in beneficial))
        if pk not in way:
            stack += [(inner, (*way, pk)) for inner in reversed(held.get(pk, []))]
    return lines, [problem.text for problem in structure.problems]


@dataclass(frozen=True, slots=True)
class Link:
    """Another seller that shares something: `what` is bank account, person, phone or address."""

    seller: Seller
    what: str


def linked_sellers(seller: Seller, limit: int = 50) -> list[Link]:
    """Return sellers with the same bank account, person, phone or address, found by blind index without opening anything."""
    found: list[Link] = []
    numbers = list(PayeeAccount.objects.filter(seller=seller).values_list("number_index", flat=True))
    same_account = PayeeAccount.objects.filter(number_index__in=numbers).exclude(seller=seller)
    found += [Link(one, "bank account") for one in _sellers(same_account.values_list("seller_id", flat=True), limit)]
    for column, what in (("name_index", "person"), ("phone_index", "phone"), ("address_index", "address")):
        indexes = [one for one in Person.objects.filter(seller=seller).values_list(column, flat=True) if one]
        others = Person.objects.filter(**{f"{column}__in": indexes}).exclude(seller=seller)
        found += [Link(one, what) for one in _sellers(others.values_list("seller_id", flat=True), limit)]
    seats = list(
        Requirement.objects.filter(seller=seller, evidence="text").exclude(value_index="").values_list("value_index", flat=True)
    )
    same_seat = Requirement.objects.filter(evidence="text", value_index__in=seats).exclude(seller=seller)
    found += [Link(one, "address") for one in _sellers(same_seat.values_list("seller_id", flat=True), limit)]
    return found[:limit]


def _sellers(ids: Any, limit: int) -> list[Seller]:
    return list(Seller.objects.filter(pk__in=set(ids)).order_by("pk")[:limit])


def review_timeline(seller: Seller, limit: int = 100) -> list[tuple[StateChange, str]]:
    """Return what happened to a seller and everything of its review, the newest first, each with what it was about."""
    titles = dict(Requirement.objects.filter(seller=seller).values_list("pk", "title"))
    papers = dict(seller.documents.values_list("pk", "kind"))  # type: ignore[attr-defined]
    accounts = {one.pk: one.masked for one in seller.payee_accounts.all()}
    of = (
        Where(subject="seller", subject_id=seller.pk)
        | Where(subject="requirement", subject_id__in=list(titles))
        | Where(subject="document", subject_id__in=list(papers))
        | Where(subject="payee_account", subject_id__in=list(accounts))
    )
    names: dict[str, dict[int, str]] = {"requirement": titles, "document": papers, "payee_account": accounts}
    changes = StateChange.objects.filter(of).order_by("-at", "-pk")[:limit]
    return [(one, names.get(one.subject, {}).get(one.subject_id, "Seller")) for one in changes]


def erased_persons(seller: Seller) -> list[str]:
    """Return the public ids of the persons whose data was erased, for wings that kept something of them."""
    return list(Person.objects.filter(seller=seller, erased_at__isnull=False).order_by("pk").values_list("public_id", flat=True))


def money_waiting(seller_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return {seller id: {currency: minor units pending and available}}."""
    found: dict[int, dict[str, int]] = {}
    for (seller_id, currency), buckets in seller_buckets(list(seller_ids)).items():
        found.setdefault(seller_id, {})[currency] = buckets["available"] + buckets["pending"]
    return found
