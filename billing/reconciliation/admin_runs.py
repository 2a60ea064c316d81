"""Screens of the rules of matching, of passes and of coverage."""

from __future__ import annotations

import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from backoffice.kit import clock
from backoffice.kit.actors import Actor
from backoffice.kit.admin import (
    Button,
    Column,
    DayRangeFilter,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    fields,
    instant_column,
    person_column,
    queue,
    reason_column,
    state_column,
)
from backoffice.kit.transactions import durable
from billing.reconciliation import operations, queries
from billing.reconciliation.buyer_payments import PaymentsImported
from billing.reconciliation.models import (
    Break,
    Feed,
    MatchRulebook,
    ReconciliationRun,
)
from billing.reconciliation.rulebook import RulesInvalid
from billing.reconciliation.states import RULEBOOK, BookState

queue(
    name="match_rules",
    title="Rules of matching to approve",
    model=MatchRulebook,
    rows=lambda at: MatchRulebook.objects.filter(state=BookState.PROPOSED),
    age_field="made_at",
    help_text="Somebody wants other rules: look at what they would let pass without a person.",
    order=67,
)


# --- matches --------------------------------------------------------------------------------------------------------------


# The columns that rules compare, in words.
_NAMES_OF = {
    "reference": "reference",
    "batch_reference": "reference of the batch",
    "provider_ref": "id at the provider",
    "trace_ref": "trace id",
}


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def _rules(book: MatchRulebook, look: Look) -> Table:
    return Table(
        [Column("Order"), Column("Rule"), Column("By"), Column("Accounts"), Column("Days"), Column("Waits"), Column("Lets pass")],
        [
            (
                number,
                one["code"].replace("_", " "),
                f"their {_NAMES_OF.get(one['theirs'], one['theirs'])} is our {_NAMES_OF.get(one.get('ours', ''), one.get('ours', ''))}"
                if one.get("theirs")
                else one["method"].replace("_", " "),
                ", ".join(one["legs"]),
                one.get("days", 0),
                _days(one.get("settle_days", 0)),
                f"up to {one['tolerance_minor']:,} minor units and {one['tolerance_bp'] / 100:g} %, as a {one['difference']}"
                if one.get("tolerance_minor")
                else "nothing",
            )
            for number, one in enumerate(book.rules, 1)
        ],
        note="Late after: " + ", ".join(f"{leg} {_days(days)}" for leg, days in sorted(book.sla_days.items())),
    )


def _proposal(row: Any, asked: dict[str, Any]) -> dict[str, Any]:
    try:
        given = json.loads(asked["file"].read(200_000))
        return {"rules": given["rules"], "sla_days": given["sla_days"], "reason": asked["reason"]}
    except (ValueError, KeyError, TypeError):
        raise RulesInvalid(detail="The file is not JSON with rules and sla_days.") from None


@admin.register(MatchRulebook)
class MatchRulebookAdmin(OperatorAdmin):
    list_display = ("version_shown", "state_shown", "made", "who", "checker", "why")
    actor_fields = ("made_by", "approved_by")
    machine = RULEBOOK
    panels = (Panel("rules", "Rules, in order", _rules, lazy=False),)
    list_buttons = (
        Button(
            name="propose",
            label="Propose rules",
            verb=operations.propose_rules,
            permission="billing.propose_match_rules",
            arguments=_proposal,
            fields=lambda row: {
                "file": fields.upload("Rules", "JSON with rules (in order) and sla_days, as the page of a version shows them."),
                "reason": fields.reason(),
            },
            explain="They come into force when a second person approves; what matched before stays matched.",
            done=lambda row, book: f"Rules {book.version} wait for a second person.",
        ),
    )
    buttons = (
        Button(
            name="adopt",
            label="Approve",
            verb=operations.adopt_rules,
            permission="billing.approve_match_rules",
            arguments=lambda row, asked: {"rulebook_id": row.pk, **asked},
            states=(BookState.PROPOSED,),
            state_field="state",
            fields=lambda row: {"reason": fields.reason(required=False)},
            effect=lambda row: [(one["code"], json.dumps(one)) for one in row.rules],
            explain="From the next pass on, these decide what matches without a person.",
            done="The rules are in force.",
        ),
        Button(
            name="refuse",
            label="Refuse",
            verb=operations.refuse_rules,
            permission="billing.approve_match_rules",
            arguments=lambda row, asked: {"rulebook_id": row.pk, **asked},
            states=(BookState.PROPOSED,),
            state_field="state",
            fields=lambda row: {"reason": fields.reason()},
            danger=True,
            done="The rules are refused.",
        ),
    )
    state_shown = state_column("State", "state")
    made = instant_column("Proposed", "made_at")
    who = person_column("By", "made_by")
    checker = person_column("Approved by", "approved_by")
    why = reason_column("Why", "reason")

    @admin.display(description="Rules")
    def version_shown(self, row: MatchRulebook) -> str:
        return f"rules {row.version}"

    def page_title(self, row: MatchRulebook) -> str:
        return f"Rules of matching {row.version}"

    def standing(self, row: MatchRulebook) -> str:
        return row.reason

    def facts(self, row: MatchRulebook) -> list[tuple[str, Any]]:
        return [
            ("Proposed", display.instant(row.made_at)),
            ("By", self.person(row, "made_by")),
            ("Approved by", self.person(row, "approved_by")),
            ("In force since", display.instant(row.in_force_at)),
        ]


# --- passes and coverage --------------------------------------------------------------------------------------------------


@durable
def import_upload(*, file: Any, currency: str, actor: Actor, at: datetime) -> PaymentsImported:
    """Stage an uploaded file of buyers' payments, as import_buyer_payments does."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "payments.csv"
        with target.open("wb") as kept:
            for piece in file.chunks():
                kept.write(piece)
        return operations.import_buyer_payments(path=target, currency=currency.upper(), actor=actor, at=at)


def _counts(run: ReconciliationRun, look: Look) -> Table:
    rows = [(name.replace("_", " "), display.number(count)) for name, count in run.counts.items()]
    return Table([Column("Step"), Column("Lines")], rows, empty="It did not finish.")


def coverage_table(run: ReconciliationRun | None) -> Table:
    return Table(
        [
            Column("Told by"), Column("Account"), Column("Lines"), Column("By itself"), Column("Amount", money=True),
            Column("By itself, of the amount"), Column("By two people"),
        ],
        [
            (
                row["holder"], row["leg"], display.number(row["lines"]), queries.share(row["auto_lines"], row["lines"]),
                display.money(row["amount_minor"], row["currency"]), queries.share(row["auto_amount_minor"], row["amount_minor"]),
                display.number(row["forced_lines"]),
            )
            for row in (run.coverage if run else [])
        ],
        empty="Nothing of theirs was staged in the last days.",
    )  # fmt: skip


def ages_table() -> Table:
    now = clock.now()
    return Table(
        [Column("Days"), Column("Breaks"), Column("Nobody's"), Column("Amount, without sign", money=True)],
        [
            (
                display.anchor(display.list_url(Break, age=row["age"], currency=row["currency"]), row["age"]),
                display.number(row["count"]),
                display.number(row["unowned"]),
                display.money(row["amount_minor"], row["currency"]),
            )
            for row in queries.breaks_by_age(now)
        ],
        empty="No break is open.",
    )


def feeds_table() -> Table:
    return Table(
        [Column("Told by"), Column("What"), Column("Last asked"), Column("Trouble")],
        [
            (
                feed.name,
                feed.get_kind_display(),
                display.instant(feed.last_fetch_at),
                display.label(feed.last_problem, "bad") if feed.last_problem else "",
            )
            for feed in Feed.objects.order_by("kind", "name")
        ],
        empty="Nobody told us anything yet.",
    )


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(OperatorAdmin):
    list_display = ("number", "started", "finished", "staged", "breaks_opened", "who")
    list_filter = (("started_at", DayRangeFilter),)
    list_select_related = ("rulebook",)
    actor_fields = ("actor",)
    list_links = (("Coverage", "admin:billing_reconciliationrun_coverage", "billing.view_reconciliationrun"),)
    empty_title = "No pass yet"
    empty_text = "A pass every hour stages what is new, applies the rules, and opens breaks for what is left."
    panels = (
        Panel("coverage", "How much matched by itself", lambda row, look: coverage_table(row), lazy=False, order=10),
        Panel("counts", "What it did", _counts, lazy=False, order=20),
    )
    list_buttons = (
        Button(
            name="reconcile",
            label="Reconcile now",
            verb=operations.reconcile,
            permission="billing.reconcile",
            arguments=lambda row, asked: {},
            explain="Stages what is new, applies the rules in force, and opens breaks. Small differences within a rule are booked.",
            done=lambda row, run: f"Done: {run.counts.get('breaks_opened', 0):,} breaks opened.",
            then=lambda row, run: display.page_of(run),
        ),
        Button(
            name="buyer_payments",
            label="Import buyers' payments",
            verb=import_upload,
            permission="billing.reconcile",
            arguments=lambda row, asked: asked,
            fields=lambda row: {
                "file": fields.upload("File", "CSV: order_id, payment_sequential, payment_type, payment_value_cents."),
                "currency": fields.text("Currency", "Of every amount in the file.", max_length=3, initial="EUR"),
            },
            explain="Held against imported sales at the next pass. The same file again changes nothing.",
            done=lambda row, result: f"{result.read:,} payments read, {result.new:,} of them new.",
        ),
    )
    started = instant_column("Started", "started_at")
    finished = instant_column("Finished", "finished_at")
    who = person_column("By", "actor")

    @admin.display(description="Pass")
    def number(self, row: ReconciliationRun) -> str:
        return f"no. {row.pk}"

    @admin.display(description="Staged")
    def staged(self, row: ReconciliationRun) -> Any:
        return display.number(sum(row.counts.get(name, 0) for name in ("staged_bank", "staged_ledger")))

    @admin.display(description="Breaks opened")
    def breaks_opened(self, row: ReconciliationRun) -> Any:
        return display.number(row.counts.get("breaks_opened", 0))

    def page_title(self, row: ReconciliationRun) -> str:
        return f"Pass no. {row.pk}"

    def facts(self, row: ReconciliationRun) -> list[tuple[str, Any]]:
        return [
            ("Rules", display.link(row.rulebook)),
            ("Started", display.instant(row.started_at)),
            ("Finished", display.instant(row.finished_at)),
            ("By", self.person(row, "actor")),
        ]

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [path("coverage/", wrap(self.coverage_view), name="billing_reconciliationrun_coverage"), *super().get_urls()]

    def coverage_view(self, request: HttpRequest) -> HttpResponse:
        """Show how much of what others say matches by itself, how old the rest is, and who tells us."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = queries.last_run()
        said = f"As of the pass of {display.age(run.finished_at, clock.now())} ago." if run else "No pass has run yet."
        tables = [
            ("How much matched by itself", coverage_table(run)),
            ("Open breaks by age", ages_table()),
            ("Who tells us", feeds_table()),
        ]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Coverage of reconciliation",
            "standing": f"{said} Lines of the last {queries.COVERAGE_DAYS} days; a match that two people forced is not one by itself.",
            "facts": [],
            "panels": [
                {"panel": {"title": title, "name": f"table-{number}", "lazy": False}, "table": table}
                for number, (title, table) in enumerate(tables)
            ],
        }
        return TemplateResponse(request, "backoffice/object.html", context)
