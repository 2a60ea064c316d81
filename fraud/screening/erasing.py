"""Forget what was compared of a person, once the law lets go of the seller behind it; that there were checks, hits and judgements stays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.screening.finding import withdraw_request
from fraud.screening.models import Hit, Party
from fraud.screening.states import HIT, PARTY, HitState, PartyState


@composable
def erase_parties(*, subjects: Sequence[str], actor: Actor, at: datetime) -> int:
    """Empty the sealed facts of parties and what their hits quote of them; return how many. Again and again changes nothing.

    Hits nobody has judged yet go. Clearances and confirmations stay as they were said: they are the proof that somebody looked.
    """
    parties = list(Party.objects.select_for_update().filter(subject__in=subjects).exclude(state=PartyState.ERASED).order_by("pk"))
    for party in parties:
        for hit in Hit.objects.select_for_update().filter(party=party).order_by("pk"):
            _empty(hit, actor, at)
        party.facts, party.name_indexes, party.fingerprint, party.problem = "", [], "", ""
        party.due_since = party.next_try_at = None
        party.erased_at = at
        party.save(update_fields=["facts", "name_indexes", "fingerprint", "problem", "due_since", "next_try_at", "erased_at"])
        transition(PARTY, party, PartyState.ERASED, actor=actor, at=at, code="erased")
        audit.record(actor, "screening_party.erase", party.public_id, at, facts={"subject": party.subject})
    return len(parties)


def _empty(hit: Hit, actor: Actor, at: datetime) -> None:
    hit.factors = ""
    hit.save(update_fields=["factors"])
    if hit.state == HitState.WAITING:
        withdraw_request(hit, actor=actor, at=at, reason="The party was erased.")
    if hit.state in (HitState.OPEN, HitState.WAITING):
        transition(HIT, hit, HitState.GONE, actor=actor, at=at, code="party_erased")
