"""What a seller gives for a requirement: a number, a text, the terms accepted. Papers stand in `documents`, people in `persons`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backoffice.kit.actors import Actor
from backoffice.kit.crypto import blind_index
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.transactions import composable
from payouts.compliance.deriving import derive
from payouts.compliance.models import Requirement
from payouts.compliance.numbers import check_number
from payouts.compliance.rows import Q, lock_requirement, move
from payouts.compliance.tax_answers import check_tax_answer
from payouts.sellers.validation import clean_text

VALUE_MAX = 500


class RequirementNotOpen(Refusal):
    code = "requirement_not_open"
    sentence = "The requirement is {state}; nothing is to be given for it now."


class AnsweredElsewhere(InputError):
    code = "answered_elsewhere"
    sentence = "This requirement is not met by an answer but by {how}."


_HOW = {
    "document": "a document: upload it under documents",
    "ownership": "the owners and their shares: name them under persons",
    "role": "a person of that role: name them under persons",
    "payee_account": "a payee account",
    "screening": "a check of ours",
    "review": "a decision of ours",
}


@composable
def answer_requirement(*, requirement_id: int, value: str, actor: Actor, at: datetime) -> Requirement:
    """Give a number or text; what is right by its own check digits is satisfied at once, the rest goes to a reviewer.

    Tells `requirement.satisfied` or `requirement.pending_verification`. Refuses: NotFound, RequirementNotOpen, AnsweredElsewhere, InvalidNumber,
    InvalidText, TaxAnswerInvalid.
    """
    row = lock_requirement(requirement_id)
    if row.state not in (Q.EVENTUALLY_DUE, Q.CURRENTLY_DUE, Q.PAST_DUE, Q.PENDING_VERIFICATION):
        raise RequirementNotOpen(state=row.get_state_display())
    checked = _checked(row.evidence, value, at)

    columns: dict[str, Any] = {
        "value": checked,
        "value_index": blind_index(checked),
        "provided_by": str(actor),
        "provided_at": at,
    }
    columns |= {"error_code": "", "error_text": ""}
    if not row.by_person:
        move(row, Q.SATISFIED, actor=actor, at=at, decided_by="system:checks", decided_at=at, **columns)
    elif row.state == Q.PENDING_VERIFICATION:
        for name, given in columns.items():
            setattr(row, name, given)
        row.save(update_fields=list(columns))
    else:
        move(row, Q.PENDING_VERIFICATION, actor=actor, at=at, **columns)
    derive([row.seller_id], actor=actor, at=at)
    return row


def _checked(evidence: str, value: str, at: datetime) -> str:
    family, _, member = evidence.partition(":")
    if family == "number":
        return check_number(member, value[:60])
    if family == "tax":
        return check_tax_answer(member, value, at)
    if family in ("text", "terms"):
        return clean_text("answer", value, VALUE_MAX)
    raise AnsweredElsewhere(how=_HOW[family])
