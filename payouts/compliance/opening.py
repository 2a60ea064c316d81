"""Open the files of new sellers: what the catalogue asks of them, or somebody's word that they were verified elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.gates import Objection
from backoffice.kit.states import born_set
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from payouts.compliance.catalogue import catalogue_of
from payouts.compliance.deriving import derive
from payouts.compliance.models import Requirement, SellerCapabilities
from payouts.compliance.rows import Q, build, save_new, staff_rule
from payouts.compliance.states import REQUIREMENT
from payouts.sellers.models import PayeeAccount, Seller
from payouts.sellers.queries import lock_sellers
from payouts.sellers.states import PayeeStatus, SellerStatus

VOUCHED = "verified_elsewhere"
_VOUCHED = staff_rule(
    VOUCHED,
    "Verified before",
    "Nothing to do: the marketplace verified you before.",
    "An existing marketplace's verified sellers come in on the word of a named person; a re-review asks for the papers.",
)
_CHUNK = 2_000


def open_files(*, seller_ids: Sequence[int], verified: bool, actor: Actor, at: datetime, **facts: Any) -> list[Objection]:
    """Open the files of sellers just made, in their own transaction; plugged into sellers' gate `opened`.

    `verified` waives everything in the actor's name: one row that says so. Otherwise every rule of the seller's country becomes a row.
    """
    if verified:
        _vouch(list(seller_ids), actor, at)
    else:
        _ask(list(Seller.objects.filter(pk__in=seller_ids).order_by("pk")), actor, at)
    derive(seller_ids, actor=actor, at=at, tells=False)
    if not verified:
        for country in Seller.objects.filter(pk__in=seller_ids).values_list("country", flat=True).distinct():
            files = SellerCapabilities.objects.filter(seller_id__in=seller_ids, seller__country=country)
            files.update(catalogue=catalogue_of(country).name)
    return []


def _vouch(seller_ids: list[int], actor: Actor, at: datetime) -> None:
    columns = {
        **{name: value for name, value in _VOUCHED.items() if name != "alternatives"},
        "sellers": seller_ids,
        "actor": str(actor),
        "at": at,
        "state": str(Q.WAIVED),
    }
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO payouts_requirement (public_id, seller_id, code, catalogue, evidence, by_person, title, seller_text, why, source,
                      alternatives, capabilities, gating, valid_days, grace_days, state, error_code, error_text, value, value_index,
                      provided_by, decided_by, decided_at, created_at)
               SELECT kit_typeid('req'), id, %(code)s, %(catalogue)s, %(evidence)s, %(by_person)s, %(title)s, %(seller_text)s, %(why)s,
                      %(source)s, '[]', %(capabilities)s, false, 0, 30, %(state)s, '', '', '', '', '', %(actor)s, %(at)s, %(at)s
                 FROM unnest(%(sellers)s::bigint[]) AS u(id) ORDER BY id RETURNING id""",
            columns,
        )
        ids = [row[0] for row in cursor.fetchall()]
    given = "SELECT unnest(%(ids)s::bigint[])"
    born_set(REQUIREMENT, given, {"ids": ids}, actor=actor, at=at, reason="brought in as verified")


def _ask(sellers: list[Seller], actor: Actor, at: datetime) -> None:
    paid_to = set(PayeeAccount.objects.filter(seller__in=sellers, status=PayeeStatus.ACTIVE).values_list("seller_id", "currency"))
    rows = []
    for seller in sellers:
        catalogue = catalogue_of(seller.country)
        for rule in catalogue.rules_for(seller.entity_type):
            if rule.per == "seller":
                state = first_state(rule.evidence, has_account=(seller.pk, seller.currency) in paid_to)
                rows.append(build(seller, catalogue, rule, at, state=state))
    save_new(rows, actor=actor, at=at)


def first_state(evidence: str, *, has_account: bool) -> str:
    """Return the state a row is born in where it is not simply due: an account may be there, and screening is ours to do."""
    if evidence == "payee_account" and has_account:
        return Q.SATISFIED
    return Q.PENDING_VERIFICATION if evidence == "screening" else ""


@composable
def vouch_for_sellers(*, seller_ids: Sequence[int], actor: Actor, at: datetime, reason: str) -> int:
    """Bring in sellers that have no file yet as verified, in the actor's name; return how many. For those made by other means than a verb."""
    sellers = lock_sellers(seller_ids)
    known = set(SellerCapabilities.objects.filter(seller__in=sellers).values_list("seller_id", flat=True))
    fresh = [seller.pk for seller in sellers if seller.pk not in known]
    if fresh:
        open_files(seller_ids=fresh, verified=True, actor=actor, at=at)
        audit.record(actor, "sellers.vouch", "sellers", at, reason=reason, facts={"sellers": len(fresh)})
    return len(fresh)


@durable
def open_missing_files(*, actor: Actor, at: datetime) -> int:
    """Ask the catalogue's questions of every seller that has no file (from before there were any); return how many."""
    count = 0
    while True:
        missing = Seller.objects.filter(capabilities__isnull=True).exclude(status=SellerStatus.CLOSED).order_by("pk")
        chunk = list(missing.values_list("pk", flat=True)[:_CHUNK])
        if not chunk:
            return count
        count += _open_chunk(chunk, actor, at)


@composable
def _open_chunk(seller_ids: Sequence[int], actor: Actor, at: datetime) -> int:
    locked = [seller.pk for seller in lock_sellers(seller_ids)]
    done = set(Requirement.objects.filter(seller_id__in=locked).values_list("seller_id", flat=True))
    open_files(seller_ids=[pk for pk in locked if pk not in done], verified=False, actor=actor, at=at)
    derive(locked, actor=actor, at=at)
    return len(locked)
