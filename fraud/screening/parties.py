"""Who is screened: parties with what of them is compared, and what makes them due."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import F, QuerySet

from backoffice.kit.actors import Actor
from backoffice.kit.crypto import blind_index
from backoffice.kit.errors import InputError
from backoffice.kit.states import born, transition, transition_set
from backoffice.kit.transactions import composable
from fraud.screening.matching.matcher import Query
from fraud.screening.models import Party, PartyKind, Trigger
from fraud.screening.reading.entries import identifier
from fraud.screening.states import PARTY, PartyState

_SUBJECT = re.compile(r"[a-z]{2,8}_[A-Za-z0-9]{1,50}")
NAMES_MAX, NAME_MAX, IDENTIFIERS_MAX, COUNTRIES_MAX = 30, 500, 30, 30


class PartyInvalid(InputError):
    code = "screening_party_invalid"
    sentence = "{detail}"


def name_index(name: str) -> str:
    """Return the blind index of a name; case, accents and spaces make no difference."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    return blind_index(f"party name {plain.casefold()}")


@dataclass(frozen=True, slots=True)
class Facts:
    """What of a party is compared, in order, so that equal facts have equal fingerprints."""

    kind: str
    names: tuple[str, ...]
    birth_on: date | None
    countries: tuple[str, ...]
    identifiers: tuple[tuple[str, str], ...]

    def as_json(self) -> str:
        content = {"names": self.names, "birth_on": self.birth_on, "countries": self.countries, "identifiers": self.identifiers}
        return json.dumps(content, default=str, ensure_ascii=False)

    def fingerprint(self) -> str:
        # keyed: a bare hash of a name and a birthday could be guessed
        return blind_index(self.kind + self.as_json())

    def name_indexes(self) -> list[str]:
        return sorted({name_index(name) for name in self.names})

    def query(self) -> Query:
        compared = tuple(plain for _, text in self.identifiers if (plain := identifier(text)))
        return Query(self.names, self.kind, self.birth_on, self.countries, compared)


def facts_of(party: Party) -> Facts:
    """Open the sealed facts of a party; those of an erased one are empty."""
    if not party.facts:
        return Facts(party.kind, (), None, (), ())  # erased
    content = json.loads(party.facts)
    born_on = date.fromisoformat(content["birth_on"]) if content["birth_on"] else None
    identifiers = tuple((kind, text) for kind, text in content["identifiers"])
    return Facts(party.kind, tuple(content["names"]), born_on, tuple(content["countries"]), identifiers)


def checked_facts(
    *, kind: str, names: Sequence[str], birth_on: date | None, countries: Sequence[str], identifiers: Mapping[str, str]
) -> Facts:
    """Return facts in order. Refuses: PartyInvalid."""
    shown = tuple(dict.fromkeys(" ".join(name.split()) for name in names if name.strip()))
    codes = tuple(sorted({code.upper() for code in countries if code}))
    told = tuple(sorted((str(kind_), text.strip()) for kind_, text in identifiers.items() if text.strip()))
    problems = {
        "A party is a person or an entity.": kind not in PartyKind.values,
        f"A party has 1 to {NAMES_MAX} names.": not 1 <= len(shown) <= NAMES_MAX,
        f"A name has at most {NAME_MAX} characters.": any(len(name) > NAME_MAX for name in shown),
        "A country is an ISO code of two letters.": any(not re.fullmatch("[A-Z]{2}", code) for code in codes),
        f"A party has at most {COUNTRIES_MAX} countries.": len(codes) > COUNTRIES_MAX,
        f"A party has at most {IDENTIFIERS_MAX} identifiers of 100 characters.": len(told) > IDENTIFIERS_MAX
        or any(len(text) > 100 for _, text in told),
    }
    for sentence, wrong in problems.items():
        if wrong:
            raise PartyInvalid(detail=sentence)
    return Facts(kind, shown, birth_on, codes, told)


@composable
def register_party(*, subject: str, facts: Facts, told_by: str, actor: Actor, at: datetime) -> Party:
    """Keep a party and make it due when it is new or changed; the worker screens what is due. Refuses: PartyInvalid."""
    if not _SUBJECT.fullmatch(subject):
        raise PartyInvalid(detail="The subject is a public id, such as sel_… or per_….")
    fingerprint = facts.fingerprint()
    party = Party.objects.select_for_update().filter(subject=subject).first()
    if party is None:
        return _create(subject, facts, fingerprint, told_by, actor, at)
    if party.state == PartyState.ERASED:
        raise PartyInvalid(detail="This party was erased; somebody new has an id of their own.")
    if party.fingerprint != fingerprint:
        party.kind, party.facts, party.fingerprint, party.told_by = facts.kind, facts.as_json(), fingerprint, told_by
        party.name_indexes = facts.name_indexes()
        party.save(update_fields=["kind", "facts", "fingerprint", "told_by", "name_indexes"])
        make_due(party, trigger=Trigger.CHANGED, actor=actor, at=at)
    elif party.told_by != told_by:
        party.told_by = told_by
        party.save(update_fields=["told_by"])
    return party


def _create(subject: str, facts: Facts, fingerprint: str, told_by: str, actor: Actor, at: datetime) -> Party:
    party = Party(subject=subject, kind=facts.kind, fingerprint=fingerprint, told_by=told_by, created_at=at)
    party.facts, party.name_indexes = facts.as_json(), facts.name_indexes()
    party.due_since = party.next_try_at = at
    # a rival that inserted the same subject first makes this one fail; its caller tries again and finds the row
    party.save(force_insert=True)
    born(PARTY, party, actor=actor, at=at)
    return party


def make_due(party: Party, *, trigger: str, actor: Actor, at: datetime) -> None:
    """Put a locked party into the queue of the worker."""
    party.trigger, party.next_try_at, party.tries = trigger, at, 0
    party.due_since = party.due_since or at
    party.save(update_fields=["trigger", "next_try_at", "tries", "due_since"])
    if party.state != PartyState.DUE:
        transition(PARTY, party, PartyState.DUE, actor=actor, at=at, code=trigger)


def make_all_due(parties: QuerySet[Party], *, trigger: str, actor: Actor, at: datetime) -> int:
    """Put many parties into the queue in two statements; return how many."""
    ids = list(parties.order_by("pk").values_list("pk", flat=True))
    rows = Party.objects.filter(pk__in=ids)
    rows.filter(due_since__isnull=True).update(due_since=at)
    rows.update(trigger=trigger, next_try_at=at, tries=F("tries") * 0)
    transition_set(
        PARTY, "SELECT unnest(%(ids)s::bigint[]) AS id", {"ids": ids}, PartyState.DUE, actor=actor, at=at, code=str(trigger)
    )
    return len(ids)
