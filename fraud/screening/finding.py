"""What an answer means for the hits of a party: new ones open, cleared ones stay only while both sides are what was cleared, others go."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.approvals import Approval, ApprovalState
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from fraud.screening.matching.matcher import Factor
from fraud.screening.models import Check, Clearance, Hit, Party, ScreeningPolicy
from fraud.screening.provider import Found
from fraud.screening.states import HIT, PARTY, HitState, PartyState

CLEAR_ACTION = "clear_screening_hit"
BLOCKING = (HitState.OPEN, HitState.WAITING, HitState.CONFIRMED)


def apply_found(
    *, party: Party, found: Iterable[Found], check: Check, policy: ScreeningPolicy, actor: Actor, at: datetime
) -> None:
    """Bring the hits of a locked party in line with a complete answer."""
    known = {(hit.list_name, hit.source_id): hit for hit in Hit.objects.select_for_update().filter(party=party).order_by("pk")}
    for one in found:
        hit = known.pop((one.list_name, one.source_id), None)
        if hit is None:
            _open(party, one, check, policy, actor, at)
        else:
            _meet_again(hit, party, one, check, policy, actor, at)
    for hit in known.values():
        _let_go(hit, party, actor, at)


def _facts(party: Party, one: Found, policy: ScreeningPolicy) -> dict[str, Any]:
    score = Decimal(str(one.score))
    return {
        "entry_id": one.entry_id,
        "entry_fingerprint": one.fingerprint,
        "party_fingerprint": party.fingerprint,
        "listed": one.listed,
        "listed_name": one.listed_name,
        "score": score,
        "strong": score >= policy.strong_threshold,
    }


def _open(party: Party, one: Found, check: Check, policy: ScreeningPolicy, actor: Actor, at: datetime) -> None:
    hit = Hit(
        party=party, list_name=one.list_name, source_id=one.source_id, found_by=check, opened_at=at, **_facts(party, one, policy)
    )
    hit.factors = factors_text(one.factors)
    hit.save(force_insert=True)
    born(HIT, hit, actor=actor, at=at)


def _meet_again(hit: Hit, party: Party, one: Found, check: Check, policy: ScreeningPolicy, actor: Actor, at: datetime) -> None:
    before = (hit.party_fingerprint, hit.entry_fingerprint)
    for name, value in _facts(party, one, policy).items():
        setattr(hit, name, value)
    hit.factors = factors_text(one.factors)
    hit.found_by = check
    hit.save()
    changed = [
        side
        for side, was, now in zip(("party", "entry"), before, (hit.party_fingerprint, hit.entry_fingerprint), strict=True)
        if was != now
    ]
    if hit.state == HitState.CLEARED and changed:
        reopen(hit, because=f"{changed[0]}_changed", actor=actor, at=at)
    elif (
        hit.state == HitState.CLEARED
        and hit.strong
        and not Clearance.objects.filter(hit=hit, ended_at=None, strong=True).exists()
    ):
        reopen(hit, because="now_strong", actor=actor, at=at)
    elif hit.state == HitState.WAITING and changed:
        withdraw_request(hit, actor=actor, at=at, reason=f"The {changed[0]} changed.")
        transition(HIT, hit, HitState.OPEN, actor=actor, at=at, code=f"{changed[0]}_changed")
    elif hit.state == HitState.GONE:
        Hit.objects.filter(pk=hit.pk).update(opened_at=at)
        transition(HIT, hit, HitState.OPEN, actor=actor, at=at, code="matches_again")


def _let_go(hit: Hit, party: Party, actor: Actor, at: datetime) -> None:
    """End a hit that no longer matches; but who changed his name until it fitted stays with a person, and so does who was confirmed."""
    if hit.state == HitState.CLEARED:
        end_clearance(hit, because="no_longer_matches", at=at)
    elif hit.state not in (HitState.OPEN, HitState.WAITING) or hit.party_fingerprint != party.fingerprint:
        return
    if hit.state == HitState.WAITING:
        withdraw_request(hit, actor=actor, at=at, reason="It no longer matches.")
    transition(HIT, hit, HitState.GONE, actor=actor, at=at, code="no_longer_matches")


def reopen(hit: Hit, *, because: str, actor: Actor, at: datetime, reason: str = "") -> None:
    """End the clearance of a cleared hit and put it back before people."""
    end_clearance(hit, because=because, at=at)
    Hit.objects.filter(pk=hit.pk).update(opened_at=at)
    transition(HIT, hit, HitState.OPEN, actor=actor, at=at, code=because, reason=reason)


def end_clearance(hit: Hit, *, because: str, at: datetime) -> None:
    Clearance.objects.filter(hit=hit, ended_at__isnull=True).update(ended_at=at, ended_because=because)


def withdraw_request(hit: Hit, *, actor: Actor, at: datetime, reason: str) -> None:
    """Close the open request for a second person, if there is one."""
    waiting = Approval.objects.filter(action=CLEAR_ACTION, subject=hit.public_id, state=ApprovalState.REQUESTED)
    if waiting.exists():
        approvals.refuse(action=CLEAR_ACTION, subject=hit.public_id, checker=actor, at=at, reason=reason)


def settle_party(party: Party, *, answer: str, actor: Actor, at: datetime, code: str = "") -> None:
    """Give a locked party the state that `answer` and its hits lead to. Tells `screening.changed` when it is another than told last."""
    blocking = Hit.objects.filter(party=party, state__in=BLOCKING).count()
    to = answer
    if answer != PartyState.FAILED and blocking:
        to = PartyState.HITS
    if party.state == to:
        return
    transition(PARTY, party, to, actor=actor, at=at, code=code)
    if party.told == to:
        return
    party.told = str(to)
    party.save(update_fields=["told"])
    payload = {"subject": party.subject, "state": str(to), "hits": blocking}
    tell("screening.changed", subject=party.subject, payload=payload, at=at)


def resettle(party: Party, *, actor: Actor, at: datetime, code: str) -> None:
    """Look again at a locked party after people judged a hit; what still waits for an answer goes on waiting."""
    if party.state in (PartyState.DUE, PartyState.FAILED, PartyState.ERASED):
        return
    answer = PartyState.NOT_SCREENABLE if party.problem else PartyState.CLEAN
    settle_party(party, answer=answer, actor=actor, at=at, code=code)


def factors_text(factors: Iterable[Factor]) -> str:
    content = [{"code": one.code, "points": one.points, "sentence": one.sentence} for one in factors]
    return json.dumps(content, ensure_ascii=False)
