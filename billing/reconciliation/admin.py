"""Screens of breaks: by age, with their owner, what they are about, what may belong to them, and the correction of two people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter

from backoffice.kit import clock
from backoffice.kit.actors import Actor
from backoffice.kit.admin import (
    Button,
    Column,
    CurrencyFilter,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    choice_column,
    day_column,
    display,
    fields,
    money_column,
    person_column,
    queue,
    state_column,
)
from backoffice.kit.errors import InputError
from backoffice.kit.money import Money
from billing.reconciliation import breaks, operations, queries
from billing.reconciliation.models import Break, DifferenceKind, StagedLine
from billing.reconciliation.states import BREAK, LIVE_BREAKS, BreakState, Leg, Side

SLACK = 100

queue(
    name="breaks_late",
    title="Breaks past their time",
    model=Break,
    rows=queries.late_breaks,
    age_field="since_on",
    help_text="A provider or bank and our books still differ: find the missing fact, or have it corrected.",
    order=52,
)
queue(
    name="breaks_unowned",
    title="Late breaks nobody took",
    model=Break,
    rows=queries.unowned_breaks,
    age_field="since_on",
    help_text="Take one: a difference without a person stays one.",
    order=53,
)
queue(
    name="breaks_to_approve",
    title="Corrections to approve",
    model=Break,
    rows=lambda at: Break.objects.filter(state=BreakState.REQUESTED),
    age_field="since_on",
    help_text="Somebody asks to match or write off a difference: look at its lines and decide.",
    order=54,
)


class AgeFilter(DropdownFilter):
    """Live breaks by the days since their fact."""

    title = "age in days"
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in queries.AGES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in queries.AGES:
            return queryset
        return queryset.filter(state__in=LIVE_BREAKS, **queries.days_of(str(self.value()), clock.now().date()))


def line_table(rows: list[StagedLine], *, empty: str = "No lines.", older: int | None = None) -> Table:
    """Return staged lines as every page shows them."""
    return Table(
        [
            Column("Line"),
            Column("Says"),
            Column("What"),
            Column("Our name"),
            Column("Their name"),
            Column("Day"),
            Column("Amount", money=True),
            Column("Fee", money=True),
            Column("State"),
        ],
        [
            (
                display.link(row, f"no. {row.pk}"),
                f"{row.get_side_display()}: {row.holder}",
                row.kind.replace("_", " "),
                display.shortened(row.reference),
                display.shortened(row.provider_ref or row.trace_ref or row.batch_reference),
                display.day(row.on),
                display.money(row.amount_minor, row.currency),
                display.money(row.fee_minor or None, row.currency),
                display.state(row, "state"),
            )
            for row in rows
        ],
        empty=empty,
        older=older,
    )


def _lines_of(found: Break, look: Look) -> Table:
    rows, older = look.slice_of(queries.lines_of(found))
    return line_table(rows, older=older)


def _perhaps(found: Break, look: Look) -> Table:
    table = line_table(queries.perhaps(found), empty="No loose line has the same name, or this amount within a week.")
    table.note = (
        "Lines without a match under the same name, or of the other side with this amount. To match one, name its number."
    )
    return table


def _wanted_effect(row: Break) -> list[tuple[str, Any]]:
    """Return what approving will do, from the very content that is approved."""
    content = breaks.content_of(row, row.wanted)
    names = display.people([row.corrected_by])
    lines = [
        (f"Line no. {pk}, {Side(side).label}", display.money(amount, row.currency))
        for pk, side, amount in content["lines"][:SLACK]
    ]
    return [
        ("Correction", content["kind"].replace("_", "-")),
        *lines,
        ("Left over", display.money(content["off_minor"], row.currency)),
        ("Booked as", _booked_as(content)),
        ("Reason", content["reason"]),
        ("Asked by", names.get(row.corrected_by, row.corrected_by)),
    ]


def _booked_as(content: dict[str, Any]) -> str:
    if content["kind"] == "void" or not content["off_minor"]:
        return "nothing is booked"
    if content["kind"] == "write_off":
        return "write-off, through suspense"
    return str(DifferenceKind(content["difference"]).label)


def _effect(row: Break) -> list[tuple[str, Any]]:
    lines = [
        (f"Line no. {line.pk}, {line.get_side_display()}", display.money(line.amount_minor, line.currency))
        for line in queries.lines_of(row)[:SLACK]
    ]
    return [
        *lines,
        ("They less we", display.money(row.amount_minor, row.currency, signed=True)),
        ("Explained so far", row.explanation),
    ]


def _numbers(text: str) -> list[int]:
    parts = text.replace(",", " ").split()
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts) or len(parts) > breaks.LINES_MAX:
        raise InputError(detail="Name lines by their numbers, such as 12 15 18.")
    return [int(part) for part in parts]


def force_lines(*, break_id: int, lines: str, difference: str, reason: str, actor: Actor, at: datetime) -> Break:
    """Ask to match a break's lines with others named by number."""
    return operations.request_break_correction(
        break_id=break_id, kind="force", line_ids=_numbers(lines), difference=difference, reason=reason, actor=actor, at=at
    )


def _arguments(**more: Any) -> Any:
    return lambda row, asked: {"break_id": row.pk, **more, **asked}


BUTTONS = (
    Button(
        name="take",
        label="Take it",
        verb=operations.take_break,
        permission="billing.work_breaks",
        arguments=lambda row, asked: {"break_id": row.pk},
        states=LIVE_BREAKS,
        state_field="state",
        effect=_effect,
        explain="It is yours from now on, and leaves the queue of breaks nobody took.",
        bulk=True,
        done="It is yours.",
        order=10,
    ),
    Button(
        name="explain",
        label="Explain",
        verb=operations.explain_break,
        permission="billing.work_breaks",
        arguments=_arguments(),
        states=LIVE_BREAKS,
        state_field="state",
        fields=lambda row: {"reason": fields.reason("What this difference is, and how you know.")},
        effect=_effect,
        explain="No money moves and the break stays open: only facts or a correction by two people close it.",
        done="Written down.",
        order=20,
    ),
    Button(
        name="force",
        label="Match with other lines",
        verb=force_lines,
        permission="billing.request_break_correction",
        arguments=_arguments(),
        states=(BreakState.OPEN,),
        state_field="state",
        fields=lambda row: {
            "lines": fields.text("Lines", "Numbers of the loose lines that belong to it.", required=False),
            "difference": fields.choice(
                "What is left over is",
                [(str(kind), str(kind.label)) for kind in breaks.DIFFERENCES],
                "Leave empty where the lines add up.",
                required=False,
            ),
            "reason": fields.reason(),
        },
        effect=_effect,
        explain="Nothing happens until a second person approves exactly these lines and amounts.",
        done="A second person decides now.",
        order=30,
    ),
    Button(
        name="write_off",
        label="Write off",
        verb=operations.request_break_correction,
        permission="billing.request_break_correction",
        arguments=_arguments(kind="write_off"),
        states=(BreakState.OPEN,),
        state_field="state",
        fields=lambda row: {"reason": fields.reason()},
        effect=_effect,
        explain="Nothing is booked until a second person approves. Then our account agrees with theirs, and the difference is a write-off.",
        danger=True,
        done="A second person decides now.",
        order=40,
    ),
    Button(
        name="void",
        label="Not about our money",
        verb=operations.request_break_correction,
        permission="billing.request_break_correction",
        arguments=_arguments(kind="void"),
        states=(BreakState.OPEN,),
        state_field="state",
        when=lambda row: row.leg == Leg.CLEARING and row.kind != "ours_alone",
        fields=lambda row: {"reason": fields.reason()},
        effect=_effect,
        explain="For what a provider told by mistake. Nothing is booked; a second person must agree that the line says nothing.",
        danger=True,
        done="A second person decides now.",
        order=50,
    ),
    Button(
        name="approve",
        label="Approve the correction",
        verb=operations.approve_break_correction,
        permission="billing.approve_break_correction",
        arguments=_arguments(),
        states=(BreakState.REQUESTED,),
        state_field="state",
        fields=lambda row: {"reason": fields.reason(required=False)},
        effect=_wanted_effect,
        explain="Booked at once, in both your names. It can only be undone by another correction.",
        done="Approved, and the break is closed.",
        order=5,
    ),
    Button(
        name="refuse",
        label="Refuse the correction",
        verb=operations.refuse_break_correction,
        permission="billing.approve_break_correction",
        arguments=_arguments(),
        states=(BreakState.REQUESTED,),
        state_field="state",
        fields=lambda row: {"reason": fields.reason()},
        effect=_wanted_effect,
        danger=True,
        done="Refused; the break is open again.",
        order=60,
    ),
)


@admin.register(Break)
class BreakAdmin(OperatorAdmin):
    list_display = ("kind_shown", "about", "holder", "off_money", "since", "age", "owner_shown", "state_shown")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        AgeFilter,
        ("kind", ChoicesDropdownFilter),
        ("leg", ChoicesDropdownFilter),
        CurrencyFilter,
    )
    list_select_related = ("group", "line")
    actor_fields = ("owner", "corrected_by", "approved_by")
    machine = BREAK
    search_by = (lambda term: Q(reference=term),)
    search_help_text = "Id, or our name of what it is about"
    list_links = (("Coverage", "admin:billing_reconciliationrun_coverage", "billing.view_reconciliationrun"),)
    empty_title = "No break"
    empty_text = "What a provider or bank says and our books do not, or the other way round, stands here after a pass."
    buttons = BUTTONS
    panels = (
        Panel("lines", "Its lines", _lines_of, permission="billing.view_stagedline", lazy=False, order=10),
        Panel(
            "perhaps",
            "May belong to it",
            _perhaps,
            permission="billing.view_stagedline",
            when=lambda row: row.state in LIVE_BREAKS,
            order=20,
        ),
    )
    export_columns = (
        ExportColumn("id", lambda b: b.public_id),
        ExportColumn("kind", lambda b: b.kind),
        ExportColumn("reference", lambda b: b.reference),
        ExportColumn("holder", lambda b: b.holder),
        ExportColumn("theirs_less_ours", lambda b: Money(b.amount_minor, b.currency)),
        ExportColumn("currency", lambda b: b.currency),
        ExportColumn("since_on", lambda b: b.since_on),
        ExportColumn("due_on", lambda b: b.due_on),
        ExportColumn("owner", lambda b: b.owner),
        ExportColumn("state", lambda b: b.get_state_display()),
        ExportColumn("explanation", lambda b: b.explanation),
    )
    kind_shown = choice_column("What", "kind")
    off_money = money_column("They less we")
    since = day_column("Since", "since_on")
    owner_shown = person_column("Owner", "owner")
    state_shown = state_column("State", "state")

    @admin.display(description="About")
    def about(self, row: Break) -> Any:
        return display.shortened(row.reference) or display.EMPTY

    @admin.display(description="Age")
    def age(self, row: Break) -> Any:
        if row.state not in LIVE_BREAKS:
            return display.EMPTY
        days = (clock.now().date() - row.since_on).days
        text = f"{days} day{'' if days == 1 else 's'}"
        return display.label(text, "warn") if row.due_on < clock.now().date() else text

    def page_title(self, row: Break) -> str:
        return f"Break: {row.get_kind_display()}"

    def headline(self, row: Break) -> Any:
        return display.money(row.amount_minor, row.currency, signed=True)

    def standing(self, row: Break) -> str:
        if row.state == BreakState.REQUESTED:
            return f"{row.corrected_by and 'A correction is asked for: '}{row.wanted.get('reason', '')}"
        return row.explanation or ("Find the missing fact, or have it corrected." if row.state == BreakState.OPEN else "")

    def facts(self, row: Break) -> list[tuple[str, Any]]:
        return [
            ("Of", row.get_leg_display()),
            ("Told by", row.holder),
            ("Our name of it", display.copyable(row.reference, row.reference) if row.reference else ""),
            ("They less we", display.money(row.amount_minor, row.currency, signed=True)),
            ("Since", display.day(row.since_on)),
            ("Age", self.age(row)),
            ("Late after", display.day(row.due_on)),
            ("Owner", self.person(row, "owner")),
            ("Match", display.link(row.group)),
            ("Opened", display.instant(row.opened_at)),
            ("Correction asked by", self.person(row, "corrected_by")),
            ("Approved by", self.person(row, "approved_by")),
            ("Closed", display.instant(row.closed_at)),
        ]
