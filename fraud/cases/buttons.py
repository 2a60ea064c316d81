"""What an analyst may do with a case, as data: what is asked, and how it reaches the verb."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from unfold import widgets

from backoffice.kit.actors import Actor, staff
from backoffice.kit.admin import Button, display, fields
from backoffice.kit.errors import InputError
from backoffice.kit.money import to_minor
from fraud.cases import operations as cases
from fraud.cases.effects import Wish
from fraud.cases.models import Alert, Case, CaseDecision, CaseLabel, Kind, Priority
from fraud.cases.noting import NOTE_MAX
from fraud.cases.panels import held_things
from fraud.cases.states import CaseState
from payouts.compliance.content import BYTES_MAX
from payouts.ledger.queries import seller_buckets

S = CaseState
WORK = "fraud.work_cases"
ANALYSTS = ("risk", "compliance", "lead")
# Cases that are put off come back in the morning.
MORNING = time(6, 0, tzinfo=UTC)


class ShareInvalid(InputError):
    code = "share_invalid"
    sentence = "Give a share in percent with at most two decimals, such as 10 or 7.5."


def snooze_until_day(*, case_id: int, on: date, reason: str, actor: Actor, at: datetime) -> Case:
    """Put a case off until the morning of a day."""
    return cases.snooze_case(case_id=case_id, until=datetime.combine(on, MORNING), reason=reason, actor=actor, at=at)


def attach_upload(*, case_id: int, file: Any, what: str, actor: Actor, at: datetime) -> Any:
    """Put an uploaded paper into a case; no more of it is read than may be kept."""
    return cases.attach_paper(case_id=case_id, data=file.read(BYTES_MAX + 1), what=what, actor=actor, at=at)


def _case(row: Case, asked: dict[str, Any]) -> dict[str, Any]:
    return {"case_id": row.pk, **asked}


def _reason(row: Any) -> dict[str, Any]:
    return {"reason": fields.reason()}


def _standing(row: Case) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [
        ("Subject", row.seller.legal_name if row.seller else row.subject),
        ("At stake", display.totals(row.at_stake)),
    ]
    if row.seller:
        buckets = {currency: one["available"] for (_, currency), one in seller_buckets([row.seller.pk]).items()}
        found.append(("Available now", display.totals(buckets)))
    return found


def _people(row: Case) -> list[tuple[str, str]]:
    users = (
        get_user_model().objects.filter(is_active=True, groups__name__in=ANALYSTS).distinct().order_by("first_name", "username")
    )
    return [(str(user.pk), user.get_full_name() or user.get_username()) for user in users]


def _others(row: Case) -> list[tuple[str, str]]:
    rows = (
        Case.objects.filter(state__in=[S.OPEN, S.WORKING, S.SNOOZED])
        .exclude(pk=row.pk)
        .select_related("seller")
        .order_by("-priority", "due_at")[:200]
    )
    return [
        (str(one.pk), f"{one.seller.legal_name if one.seller else one.subject} ({one.alerts_count} alerts, {one.public_id})")
        for one in rows
    ]


def _alerts(row: Case) -> forms.Field:
    found = Alert.objects.filter(case=row).order_by("-pk")[:200]
    choices = [(str(one.pk), f"{one.at:%Y-%m-%d %H:%M} {one.code} {one.about}".strip()) for one in found]
    return forms.MultipleChoiceField(label="Alerts", choices=choices, widget=widgets.UnfoldAdminCheckboxSelectMultiple())


def _currencies(row: Case) -> list[tuple[str, str]]:
    found = (
        {currency for _, currency in seller_buckets([row.seller.pk])} | {row.seller.currency} if row.seller else set(row.at_stake)
    )
    return [(code, code) for code in sorted(found)]


def _wish(kind: str, row: Case, asked: dict[str, Any]) -> dict[str, Any]:
    """Return what the verb takes of what was typed: amounts become minor units, shares basis points."""
    currency = asked.get("currency", "")
    terms: dict[str, Any] = {}
    if asked.get("percent"):
        terms["basis_points"] = _basis_points(asked["percent"])
    if asked.get("days"):
        terms["days"] = asked["days"]
    if asked.get("review_on"):
        terms["review_on"] = asked["review_on"].isoformat()
    amount = to_minor(asked["amount"], currency) if asked.get("amount") else 0
    wish = Wish(kind, asked.get("target", "").strip(), amount, currency, asked.get("seller_text", ""), terms)
    return {"case_id": row.pk, "wish": wish, "reason": asked["reason"]}


def _basis_points(percent: str) -> int:
    whole, _, part = percent.strip().partition(".")
    if not (whole.isdigit() and len(whole) <= 3 and (not part or (part.isdigit() and len(part) <= 2))):
        raise ShareInvalid()
    return int(whole) * 100 + int(part.ljust(2, "0") or "0")


def _seller_text() -> forms.Field:
    return fields.long_text(
        "What the seller reads", "Plain words, sent by the marketplace. Say nothing of rules, scores or reports."
    )


def _decides(kind: Kind, label: str, asks: Any, *, order: int, danger: bool = False, explain: str = "") -> Button:
    return Button(
        name=f"decide_{kind}", label=label, verb=cases.decide_case, permission=WORK, states=(S.WORKING,), state_field="state", order=order, danger=danger,
        arguments=lambda row, asked: _wish(kind, row, asked), fields=asks, effect=_standing, explain=explain,
        when=None if kind in (Kind.RELEASE, Kind.REFUND) else lambda row: row.seller is not None, done=_done,
    )  # fmt: skip


def _done(row: Case, made: CaseDecision) -> str:
    return "It waits for a second person." if made.state == "waiting" else "Done."


def _release_fields(row: Case) -> dict[str, Any]:
    held = [(target, f"{what[:90]} ({target})") for target, what, _, _ in held_things(row)]
    return {"target": fields.choice("What", held), "reason": fields.reason()}


def _held_money(row: Case) -> dict[str, Any]:
    return {
        "currency": fields.choice("Currency", _currencies(row)), "amount": fields.amount(), "review_on": fields.on_date("Review on", required=False),
        "seller_text": _seller_text(), "reason": fields.reason(),
    }  # fmt: skip


def _reserved(row: Case) -> dict[str, Any]:
    return {
        "currency": fields.choice("Currency", _currencies(row)), "percent": fields.text("Share in percent", "Of everything that becomes available."),
        "days": fields.number("Each for days", "Counted from when the money becomes available.", low=1, high=180),
        "review_on": fields.on_date("Until", "On that day it ends, unless a case is open or something is stopped: then a person looks."),
        "seller_text": _seller_text(), "reason": fields.reason(),
    }  # fmt: skip


def _refunded(row: Case) -> dict[str, Any]:
    return {
        "target": fields.text("Payment", "Its id, pmt_…; all of what was captured goes back."), "reason": fields.reason(),
    }  # fmt: skip


def _told(row: Case) -> dict[str, Any]:
    return {"seller_text": _seller_text(), "reason": fields.reason()}


def _paused(row: Case) -> dict[str, Any]:
    return {"review_on": fields.on_date("Review on", required=False), **_told(row)}


def _button(name: str, label: str, verb: Any, states: tuple[str, ...], asks: Any = None, **more: Any) -> Button:
    facts: dict[str, Any] = {"permission": WORK, "state_field": "state", "arguments": _case}
    return Button(name=name, label=label, verb=verb, states=states, fields=asks, **(facts | more))


LIVE = (S.OPEN, S.WORKING, S.SNOOZED)
LIST_BUTTONS = (
    Button(
        name="claim_next", label="Take the next case", verb=cases.claim_next, permission=WORK, arguments=lambda row, asked: {},
        explain="The most urgent case nobody works on becomes yours.", done="It is yours.", then=lambda row, made: display.page_of(made),
    ),
    Button(
        name="open_case", label="Open a case", verb=cases.open_case, permission=WORK, order=60,
        fields=lambda row: {
            "subject": fields.text("About", "A seller's id (sel_…), or another reference.", max_length=170),
            "priority": fields.choice("Urgency", [(str(value), label) for value, label in Priority.choices], initial=str(Priority.NORMAL.value)),
            "reason": fields.reason(),
        },
        arguments=lambda row, asked: {"subject": asked["subject"], "reason": asked["reason"], "priority": int(asked["priority"])},
        done="It lies in the queue.", then=lambda row, made: display.page_of(made),
    ),
)  # fmt: skip
BUTTONS = (
    _button("claim", "Take it", cases.claim_case, (S.OPEN, S.SNOOZED), order=5, done="It is yours."),
    _decides(Kind.RELEASE, "Release", _release_fields, order=10, explain="Frees what stands still. Above the limit a second person has to agree."),
    _decides(Kind.HOLD, "Hold money", _held_money, order=12),
    _decides(Kind.PAUSE, "Pause payouts", _paused, order=13, explain="No payout leaves, in any currency, until it is released."),
    _decides(Kind.RESERVE, "Reserve a share", _reserved, order=14, explain="A rolling reserve of what becomes available from now on. Above the limit, by what is pending now, a second person has to agree."),
    _decides(Kind.REFUND, "Refund a payment", _refunded, order=16),
    _button("note", "Write a note", cases.write_note, LIVE, lambda row: {"text": _note_field()}, order=20, done="Written."),
    _button(
        "attach", "Add a paper", attach_upload, (S.WORKING,), order=21, done="Kept, sealed.",
        asks=lambda row: {"file": fields.upload("File", "PDF, JPEG or PNG, 10 MB at most."), "what": fields.text("What it is", max_length=120)},
    ),
    _button("close", "Close with a label", cases.close_case, (S.WORKING,), order=30, done="Closed.", effect=_standing,
            asks=lambda row: {"label": fields.choice("What it was", CaseLabel.choices), "reason": fields.reason()},
            explain="The label goes onto everything that fired here, and the rules learn from it."),
    _button("escalate", "Escalate", cases.escalate_case, (S.WORKING,), _reason, order=40, done="It is with those who approve."),
    _button("snooze", "Put off", snooze_until_day, (S.WORKING,), order=41, done="Put off.",
            asks=lambda row: {"on": fields.on_date("Until the morning of"), "reason": fields.reason()}),
    _button("put_back", "Give back", cases.put_back, (S.WORKING,), lambda row: {"reason": fields.reason(required=False)}, order=42, done="Back in the queue."),
    _button("raise", "Make more urgent", cases.raise_priority, LIVE, order=43, done="Raised.", when=lambda row: row.priority < Priority.CRITICAL,
            asks=lambda row: {"to": fields.choice("Urgency", [(str(v), label) for v, label in Priority.choices if v > row.priority]), "reason": fields.reason()},
            arguments=lambda row, asked: {"case_id": row.pk, "to": int(asked["to"]), "reason": asked["reason"]}),
    _button("assign", "Assign", cases.assign_case, LIVE, order=44, done="Assigned.", permission="fraud.assign_cases",
            asks=lambda row: {"to": fields.choice("To", _people(row)), "reason": fields.reason()},
            arguments=lambda row, asked: {"case_id": row.pk, "to": staff(int(asked["to"])), "reason": asked["reason"]}),
    _button("merge", "Merge into another", cases.merge_cases, (S.WORKING,), order=45, done="Merged.", then=lambda row, made: display.page_of(made),
            asks=lambda row: {"into": fields.choice("Case", _others(row)), "reason": fields.reason()},
            arguments=lambda row, asked: {"case_id": row.pk, "into_id": int(asked["into"]), "reason": asked["reason"]}),
    _button("split", "Split off", cases.split_case, (S.WORKING,), order=46, done="Split off.", then=lambda row, made: display.page_of(made),
            when=lambda row: row.alerts_count > 1,
            asks=lambda row: {"alerts": _alerts(row), "subject": fields.text("They are about", "A seller's id or another reference.", max_length=170),
                              "reason": fields.reason()},
            arguments=lambda row, asked: {"case_id": row.pk, "alert_ids": [int(one) for one in asked["alerts"]], "subject": asked["subject"],
                                          "reason": asked["reason"]}),
    _button("report", "Report to the authorities", cases.draft_report, LIVE, order=47, permission="fraud.write_suspicion_reports", done="Drafted, with the facts filled in.",
            when=lambda row: row.seller is not None, then=lambda row, made: display.page_of(made),
            explain="Only those with the permission see that there is a report. Nobody else may learn of it, least of all the seller."),
    _decides(Kind.BLOCK, "Block the seller", _told, order=80, danger=True,
             explain="Held payouts go back to the balance, nothing is paid any more, and what waits for review is upheld."),
    _decides(Kind.CLOSE_SELLER, "Close the seller", _told, order=81, danger=True, explain="Only without money in any bucket; takes two people."),
)  # fmt: skip


def _note_field() -> forms.Field:
    return forms.CharField(
        label="Note", max_length=NOTE_MAX, widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 6}), help_text="Kept sealed."
    )
