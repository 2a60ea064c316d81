"""The rules of matching, as versioned data: proposed with a reason, in force once a second person says so."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from django.db.models import Max

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.reconciliation.models import DifferenceKind, MatchRulebook
from billing.reconciliation.states import RULEBOOK, BookState, Leg

ACTION = "match_rulebook"
METHODS = ("reference", "amount_day", "subset", "provider_payout")
NAMES = ("reference", "batch_reference", "provider_ref", "trace_ref")
# Bounds no version may leave: what is taken without a person stays small change, and a search stays a search.
TOLERANCE_MINOR_MAX, TOLERANCE_BP_MAX, DAYS_MAX, MEMBERS_MAX, CANDIDATES_MAX = 10_000, 200, 31, 8, 30


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `theirs` and `ours` name the columns that must be equal (method reference); days are counted between the two facts.

    A verdict on sums waits `settle_days` after the last line. A difference up to `tolerance_minor`, and up to `tolerance_bp` of the amount, is
    booked as `difference`. `members_max` and `candidates_max` bound the search of a subset.
    """

    code: str
    method: str
    legs: tuple[str, ...]
    theirs: str = ""
    ours: str = ""
    days: int = 0
    settle_days: int = 0
    tolerance_minor: int = 0
    tolerance_bp: int = 0
    difference: str = ""
    members_max: int = 0
    candidates_max: int = 0

    def tolerates(self, off_minor: int, amount_minor: int) -> bool:
        """Tell whether a difference is small enough to be booked without a person."""
        return 0 < abs(off_minor) <= min(self.tolerance_minor, abs(amount_minor) * self.tolerance_bp // 10_000)


FIRST_RULES: list[dict[str, Any]] = [
    {"code": "payout", "method": "provider_payout", "legs": ["cash"], "days": 5, "settle_days": 3,
     "tolerance_minor": 2_500, "tolerance_bp": 100, "difference": "fee"},
    {"code": "own_reference", "method": "reference", "legs": ["clearing", "cash"], "theirs": "reference", "ours": "reference",
     "settle_days": 1},
    {"code": "batch_reference", "method": "reference", "legs": ["cash"], "theirs": "reference", "ours": "batch_reference",
     "settle_days": 1},
    {"code": "provider_id", "method": "reference", "legs": ["clearing"], "theirs": "provider_ref", "ours": "provider_ref",
     "settle_days": 1},
    {"code": "trace_id", "method": "reference", "legs": ["cash"], "theirs": "trace_ref", "ours": "trace_ref", "settle_days": 1},
    {"code": "amount_and_day", "method": "amount_day", "legs": ["clearing", "cash"], "days": 3, "settle_days": 1},
    {"code": "parts_of_a_sum", "method": "subset", "legs": ["clearing", "cash"], "days": 3, "settle_days": 1, "members_max": 6,
     "candidates_max": 20},
]  # fmt: skip
FIRST_SLA_DAYS = {"clearing": 3, "transit": 5, "cash": 3}


class RulesInvalid(InputError):
    code = "match_rules_invalid"
    sentence = "{detail}"


class RulesNotProposed(Refusal):
    code = "match_rules_not_proposed"
    sentence = "Rules {version} are {state}; only proposed ones can be decided."


def rulebook_in_force() -> MatchRulebook:
    """Return the rules in force; the first ones are written by a migration."""
    return MatchRulebook.objects.get(state=BookState.IN_FORCE)


def rules_of(book: MatchRulebook) -> list[Rule]:
    """Return a rulebook's rules by priority. Refuses: RulesInvalid."""
    return parse(book.rules)


def parse(given: Any) -> list[Rule]:
    """Return rules as written in JSON, checked against the bounds. Refuses: RulesInvalid, which names the rule."""
    if not isinstance(given, list) or not given:
        raise RulesInvalid(detail="Rules are a list with one entry at least.")
    known = {one.name: one.type for one in fields(Rule)}
    rules = []
    for number, one in enumerate(given, 1):
        if not isinstance(one, dict) or not {"code", "method", "legs"} <= one.keys() or one.keys() - known.keys():
            raise RulesInvalid(detail=f"Rule {number} needs code, method and legs, and knows only: {', '.join(known)}.")
        for name, value in one.items():
            wrong = not isinstance(value, list) if name == "legs" else not isinstance(value, int if known[name] == "int" else str)
            if wrong or isinstance(value, bool):
                raise RulesInvalid(detail=f"Rule {number}: {name} is of the wrong kind.")
        rules.append(Rule(**one | {"legs": tuple(one["legs"])}))
        _check(number, rules[-1])
    if len({rule.code for rule in rules}) != len(rules):
        raise RulesInvalid(detail="Two rules have the same code.")
    return rules


def _check(number: int, rule: Rule) -> None:
    named = rule.method == "reference"
    problems = {
        "its code is empty or longer than 40 letters": not 0 < len(rule.code) <= 40 or "|" in rule.code,
        f"its method is none of {', '.join(METHODS)}": rule.method not in METHODS,
        "its legs are none of clearing, cash": not rule.legs or not set(rule.legs) <= {str(Leg.CLEARING), str(Leg.CASH)},
        f"theirs and ours are none of {', '.join(NAMES)}": named and (rule.theirs not in NAMES or rule.ours not in NAMES),
        f"its days lie outside 0 to {DAYS_MAX}": not (0 <= rule.days <= DAYS_MAX and 0 <= rule.settle_days <= DAYS_MAX),
        f"its tolerance is above {TOLERANCE_MINOR_MAX} minor units or {TOLERANCE_BP_MAX} basis points": not (
            0 <= rule.tolerance_minor <= TOLERANCE_MINOR_MAX and 0 <= rule.tolerance_bp <= TOLERANCE_BP_MAX
        ),
        "a tolerance says what the difference is: fee, fx or rounding": rule.tolerance_minor > 0
        and rule.difference not in (DifferenceKind.FEE, DifferenceKind.FX, DifferenceKind.ROUNDING),
        f"it searches sums of 2 to {MEMBERS_MAX} among {CANDIDATES_MAX} at most": rule.method == "subset"
        and not (2 <= rule.members_max <= MEMBERS_MAX and rule.members_max <= rule.candidates_max <= CANDIDATES_MAX),
    }
    for problem, wrong in problems.items():
        if wrong:
            raise RulesInvalid(detail=f"Rule {number}: {problem}.")


def _check_sla(given: Any) -> dict[str, int]:
    names = [str(leg) for leg in Leg]
    if (
        not isinstance(given, dict)
        or sorted(given) != sorted(names)
        or not all(type(days) is int and 0 <= days <= 90 for days in given.values())
    ):
        raise RulesInvalid(detail=f"Days until a break is late are whole numbers from 0 to 90 for each of {', '.join(names)}.")
    return given


@composable
def propose_rules(
    *, rules: list[dict[str, Any]], sla_days: dict[str, int], reason: str, actor: Actor, at: datetime
) -> MatchRulebook:
    """Put other rules to a second person. Refuses: RulesInvalid."""
    checked = [asdict(rule) | {"legs": list(rule.legs)} for rule in parse(rules)]
    _check_sla(sla_days)
    if not reason.strip():
        raise RulesInvalid(detail="Give a reason: whoever asks why two lines matched reads it.")
    # two proposals at once would take one number
    list(MatchRulebook.objects.select_for_update().filter(state=BookState.IN_FORCE))
    book = MatchRulebook.objects.create(
        version=(MatchRulebook.objects.aggregate(last=Max("version"))["last"] or 0) + 1,
        rules=checked,
        sla_days=sla_days,
        reason=reason,
        made_by=str(actor),
        made_at=at,
    )
    born(RULEBOOK, book, actor=actor, at=at, reason=reason)
    approvals.request_approval(
        action=ACTION, subject=book.public_id, content_hash=content_hash(book), shown=shown(book), maker=actor, at=at
    )
    audit.record(actor, "match_rules.propose", book.public_id, at, reason=reason, facts={"version": book.version})
    return book


def shown(book: MatchRulebook) -> dict[str, Any]:
    """Return what a second person agrees to."""
    return {"rules": book.rules, "sla_days": book.sla_days}


def content_hash(book: MatchRulebook) -> str:
    return fingerprint([book.public_id, book.rules, book.sla_days, book.reason])


@composable
def adopt_rules(*, rulebook_id: int, actor: Actor, at: datetime, reason: str = "") -> MatchRulebook:
    """Put proposed rules in force, as another person than their maker; what matched before stays matched.

    Tells `match_rules.adopted`. Refuses: NotFound, RulesNotProposed, and what approvals refuse.
    """
    book = _proposed(rulebook_id)
    exact: Any = {"action": ACTION, "subject": book.public_id, "content_hash": content_hash(book), "at": at}
    approvals.approve(checker=actor, reason=reason, **exact)
    approvals.use_approval(**exact)
    before = MatchRulebook.objects.select_for_update().get(state=BookState.IN_FORCE)
    transition(RULEBOOK, before, BookState.REPLACED, actor=actor, at=at, code=f"rules_{book.version}")
    book.approved_by, book.in_force_at = str(actor), at
    book.save(update_fields=["approved_by", "in_force_at"])
    transition(RULEBOOK, book, BookState.IN_FORCE, actor=actor, at=at, reason=reason)
    audit.record(actor, "match_rules.adopt", book.public_id, at, reason=reason, facts={"version": book.version})
    tell("match_rules.adopted", subject=book.public_id, payload={"version": book.version}, at=at)
    return book


@composable
def refuse_rules(*, rulebook_id: int, actor: Actor, at: datetime, reason: str) -> MatchRulebook:
    """Refuse proposed rules; their maker may, too. Refuses: NotFound, RulesNotProposed."""
    book = _proposed(rulebook_id)
    approvals.refuse(action=ACTION, subject=book.public_id, checker=actor, at=at, reason=reason)
    transition(RULEBOOK, book, BookState.REFUSED, actor=actor, at=at, reason=reason)
    audit.record(actor, "match_rules.refuse", book.public_id, at, reason=reason)
    return book


def _proposed(rulebook_id: int) -> MatchRulebook:
    book = MatchRulebook.objects.select_for_update().filter(pk=rulebook_id).first()
    if book is None:
        raise NotFound(what="rulebook", ref=rulebook_id)
    if book.state != BookState.PROPOSED:
        raise RulesNotProposed(version=book.version, state=book.get_state_display())
    return book
