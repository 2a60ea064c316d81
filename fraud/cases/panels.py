"""What an analyst sees in a case: what fired, what stands still and is at stake, what was decided, whom it is linked to, and what was written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils.html import format_html

from backoffice.kit import clock
from backoffice.kit.admin import Column, Look, Panel, Table, display, plug
from fraud.cases.effects import reviews_of
from fraud.cases.models import Alert, Case, CaseDecision, CaseFile, CaseJoin, CaseNote, Priority, SuspicionReport
from fraud.cases.picture import LEGEND, drawing
from fraud.cases.queries import linked_subjects, rule_figures
from fraud.exposure.queries import exposure_now
from fraud.rules.models import RuleVersion
from payouts.holds.models import Hold
from payouts.holds.states import HoldState
from payouts.ledger.queries import seller_buckets
from payouts.runs.models import Payout
from payouts.runs.states import PayoutStatus
from payouts.sellers.models import Seller

_TONES = {Priority.LOW: "plain", Priority.NORMAL: "busy", Priority.HIGH: "warn", Priority.CRITICAL: "bad"}
FIGURE_DAYS = 90


def priority_label(priority: int) -> Any:
    return display.label(Priority(priority).label, _TONES[Priority(priority)])


def _columns(*titles: str) -> list[Column]:
    return [Column(title) for title in titles]


def _fired(case: Case, look: Look) -> Table:
    rows, older = look.slice_of(Alert.objects.filter(case=case).select_related("decision"))
    cells = []
    for one in rows:
        rules = [hit["rule"] for hit in one.decision.results if hit["result"] == "hit" and hit["counted"]] if one.decision else []
        cells.append((
            display.instant(one.at), format_html("{} {}", priority_label(one.priority), "again" if one.is_repeat else ""),
            display.link(one.decision, one.decision.get_outcome_display()) if one.decision else one.get_source_display(),
            format_html('<span title="{}">{}</span>', one.code, display.clamped(one.text)), ", ".join(rules) or display.EMPTY,
            display.subject(one.about),
            display.money(one.amount_minor, one.currency) if one.amount_minor else "",
        ))  # fmt: skip
    return Table(
        [*_columns("When", "Urgency", "By", "What"), Column("Rules", wide=True), Column("About"), Column("Amount", money=True)],
        cells,
        older=older,
    )


def _stake(case: Case, look: Look) -> Table:
    if case.seller is None:
        return Table([], [], empty=f"{case.subject} is no seller of ours: no balance stands behind it.")
    buckets = seller_buckets([case.seller.pk])
    exposures = {one.currency: one for one in exposure_now(case.seller)}
    currencies = sorted({code for _, code in buckets} | set(exposures))
    names = ("pending", "available", "reserved", "in_payout", "advance", "debt")
    rows = [
        (
            name.replace("_", " ").capitalize(),
            *(display.money(buckets.get((case.seller.pk, one), {}).get(name, 0), one) for one in currencies),
        )
        for name in names
    ]
    last_night = [display.money(exposures[one].exposure_minor, one) if one in exposures else display.EMPTY for one in currencies]
    return Table(
        [Column("Bucket"), *(Column(one, money=True) for one in currencies)],
        [*rows, ("Exposure last night", *last_night)] if currencies else [],
        empty="No money stands in this seller's name.",
    )


def held_things(case: Case) -> list[tuple[str, str, Any, Any]]:
    """Return what stands still in a case: (target, what it is, amount, since); reviews first, then payouts and holds without one."""
    found: dict[str, tuple[str, str, Any, Any]] = {}
    for review in reviews_of(case).select_related("decision").order_by("pk"):
        amount = display.money(review.decision.amount_minor, review.decision.currency) if review.decision.amount_minor else ""
        what = f"{review.decision.get_point_display()}: {review.decision.operator_text or review.decision.code}"
        found[review.subject] = (review.subject, what, amount, review.opened_at)
    if case.seller is not None:
        for payout in Payout.objects.filter(seller=case.seller, status=PayoutStatus.HELD).order_by("pk"):
            found.setdefault(
                payout.public_id,
                (
                    payout.public_id,
                    f"payout: {payout.status_reason}",
                    display.money(payout.amount_minor, payout.currency),
                    payout.changed_at,
                ),
            )
        for hold in Hold.objects.filter(seller=case.seller, state=HoldState.ACTIVE).order_by("pk")[:50]:
            amount = display.money(hold.remaining_minor, hold.currency) if hold.currency else ""
            found[hold.public_id] = (hold.public_id, f"{hold.get_kind_display()}: {hold.reason}", amount, hold.created_at)
    return list(found.values())


def _held(case: Case, look: Look) -> Table:
    rows = [
        (
            display.subject(target),
            display.clamped(what),
            amount,
            display.instant(since),
        )
        for target, what, amount, since in held_things(case)
    ]
    return Table(
        [Column("What"), Column("Why"), Column("Amount", money=True), Column("Since")],
        rows,
        empty="Nothing stands still because of this.",
    )


def _decided(case: Case, look: Look) -> Table:
    rows, older = look.slice_of(CaseDecision.objects.filter(case=case))
    people = display.people([name for one in rows for name in (one.made_by, one.approved_by)])
    cells = [
        (
            display.link(one, one.get_kind_display()), display.state(one, "state"), one.target, display.money(one.amount_minor, one.currency) if one.amount_minor else "",
            display.clamped(one.reason), people.get(one.made_by, ""), people.get(one.approved_by, ""), display.instant(one.done_at or one.made_at),
        )
        for one in rows
    ]  # fmt: skip
    return Table(
        _columns("Decision", "State", "About", "Amount", "Why", "By", "Approved by", "When"),
        cells,
        older=older,
        empty="Nothing was decided yet.",
    )


def _linked(case: Case, look: Look) -> Table:
    links = linked_subjects(case, clock.now())
    if case.seller is None or not links:
        return Table([], [], empty="No other seller shares an account, a person, a phone, an address or a device with this one.")
    rows: list[tuple[Any, ...]] = [(drawing(case.seller.legal_name, links),)]
    return Table([Column("Who shares what")], rows, note=LEGEND)


def _notes(case: Case, look: Look) -> Table:
    rows, older = look.slice_of(CaseNote.objects.filter(case=case))
    people = display.people([one.actor for one in rows])
    cells = [
        (display.instant(one.at), people[one.actor], format_html('<span style="white-space: pre-wrap">{}</span>', one.text))
        for one in rows
    ]
    return Table(_columns("When", "Who", "Note"), cells, older=older, empty="Nothing was written down yet.")


def _papers(case: Case, look: Look) -> Table:
    rows, older = look.slice_of(CaseFile.objects.filter(case=case).defer("sealed"))
    people = display.people([one.actor for one in rows])
    cells = [
        (
            display.anchor(reverse("admin:fraud_case_paper", args=[case.pk, one.pk]), one.what), one.media_type, f"{one.size_bytes / 1024:,.0f} kB",
            people[one.actor], display.instant(one.at),
        )
        for one in rows
    ]  # fmt: skip
    return Table(_columns("Paper", "Kind", "Size", "By", "When"), cells, older=older, empty="No papers yet.")


def _before(case: Case, look: Look) -> Table:
    joins = CaseJoin.objects.filter(from_case=case) | CaseJoin.objects.filter(to_case=case)
    cells: list[tuple[Any, ...]] = []
    for join in joins.select_related("from_case", "to_case").order_by("-pk")[:20]:
        other = join.to_case if join.from_case_id == case.pk else join.from_case
        way = f"{join.get_kind_display()} {'into' if join.from_case_id == case.pk else 'from'}"
        cells.append(
            (
                way,
                display.link(other, display.short_id(other.public_id)),
                f"{len(join.alerts)} alerts",
                display.clamped(join.reason),
                display.instant(join.at),
            )
        )
    for other in Case.objects.filter(subject=case.subject).exclude(pk=case.pk).order_by("-pk")[:20]:
        said = other.get_label_display() if other.label else other.get_state_display()
        cells.append(
            (
                "earlier case",
                display.link(other, display.short_id(other.public_id)),
                f"{other.alerts_count} alerts",
                said,
                display.instant(other.opened_at),
            )
        )
    return Table(_columns("What", "Case", "Alerts", "Why or outcome", "When"), cells, empty="This subject had no other case.")


def _reports(case: Case, look: Look) -> Table:
    rows, older = look.slice_of(SuspicionReport.objects.filter(case=case))
    cells = [
        (
            display.link(one, display.short_id(one.public_id)),
            display.state(one, "state"),
            one.filed_ref,
            display.instant(one.filed_at or one.made_at),
        )
        for one in rows
    ]
    return Table(_columns("Report", "State", "Reference", "When"), cells, older=older, empty="No report to the authorities.")


PANELS = (
    Panel("fired", "Everything that fired", _fired, lazy=False, order=10),
    Panel("held", "What stands still", _held, lazy=False, order=20),
    Panel("stake", "Money at stake", _stake, lazy=False, order=30),
    Panel("decided", "Decided in this case", _decided, lazy=False, order=40),
    Panel("notes", "Notes", _notes, lazy=False, order=50),
    Panel("linked", "Linked sellers", _linked, order=60),
    Panel("papers", "Papers", _papers, order=70),
    Panel("before", "Other cases of this subject", _before, order=80),
    Panel("reports", "Reports to the authorities", _reports, permission="fraud.view_suspicionreport", order=90),
)


# --- on pages of earlier rooms ---------------------------------------------------------------------------------------------


def _cases_of(seller: Seller, look: Look) -> Table:
    rows, older = look.slice_of(Case.objects.filter(seller=seller))
    cells = [
        (
            display.link(one, display.short_id(one.public_id)), display.state(one, "state"), priority_label(one.priority), f"{one.alerts_count}", display.totals(one.at_stake),
            one.get_label_display(), display.instant(one.opened_at),
        )
        for one in rows
    ]  # fmt: skip
    return Table(
        _columns("Case", "State", "Urgency", "Alerts", "At stake", "Label", "Opened"),
        cells,
        older=older,
        empty="No case was ever opened.",
    )


def _became(version: RuleVersion, look: Look) -> Table:
    found = rule_figures(version.pk, since=clock.now() - timedelta(days=FIGURE_DAYS))
    rows = [
        ("Alerts", display.number(found["alerts"])), ("In closed cases", display.number(found["closed"])), ("Of them fraud", display.number(found["fraud"])),
        ("Worth looking at", display.number(found["justified"])), ("False alarms", display.number(found["false_alarms"])),
        ("Precision, of closed ones", f"{found['precision']:.0%}" if found["precision"] is not None else display.EMPTY),
        ("Again after a false alarm", f"{found['repeat_rate']:.0%}" if found["repeat_rate"] is not None else display.EMPTY),
        ("Loss prevented", display.totals(found["prevented"])),
    ]  # fmt: skip
    note = f"The last {FIGURE_DAYS} days. Prevented: what it held or blocked and a person called fraud, each thing once."
    return Table(_columns("Figure", ""), rows, note=note)


def plug_in() -> None:
    """Put panels onto the pages of sellers and rules."""
    plug(Seller, Panel("fraud_cases", "Fraud cases", _cases_of, permission="fraud.view_case", order=75))
    plug(RuleVersion, Panel("became", "What became of its alerts", _became, permission="fraud.view_case", order=50))
