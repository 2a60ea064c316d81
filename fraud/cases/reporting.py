"""Verbs of suspicion reports: draft with the facts filled in, write, freeze as a checked file, file as another person, withdraw, open."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.money import Money
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.cases import goaml
from fraud.cases.models import Alert, Case, CaseDecision, SuspicionReport
from fraud.cases.queries import linked_subjects
from fraud.cases.states import REPORT, CaseDecisionState, ReportState
from fraud.cases.taking import ReasonMissing
from fraud.cases.transfers import paid_elsewhere, transfer_of, transfers_of
from fraud.cases.working import lock_case
from fraud.policies.models import PolicyKind
from fraud.policies.operations import in_force
from payouts.sellers.models import EntityType

ACTION = "suspicion_report"
ALERTS_SHOWN = 40
# goAML's own limit of the reason.
NARRATIVE_MAX = 4_000


class ReporterUnknown(Refusal):
    code = "suspicion_reporter_unknown"
    sentence = "Nobody has said who reports: put the number of the reporting entity, its person and address into the policy “who reports suspicions”."


class ReportExists(Refusal):
    code = "suspicion_report_exists"
    sentence = "This case has a report that is not filed yet; go on with that one."


class ReportIs(Refusal):
    code = "suspicion_report_state"
    sentence = "This report is {state}; that cannot be done with it now."


class ReportNeedsSeller(Refusal):
    code = "suspicion_report_needs_seller"
    sentence = "A report names a seller of ours; this case is about a reference we have no name for."


class NarrativeInvalid(InputError):
    code = "suspicion_narrative_invalid"
    sentence = f"The narrative has 1 to {NARRATIVE_MAX} characters, and every indicator is a code of letters, digits, - and _."


class FiledReferenceMissing(InputError):
    code = "filed_reference_missing"
    sentence = "Give the reference the authority answered with: it proves that the report arrived."


@composable
def draft_report(*, case_id: int, actor: Actor, at: datetime) -> SuspicionReport:
    """Begin a report of a live case, with the facts gathered and a narrative that states them. No event: who is suspected must not learn of it.

    Refuses: as lock_case, ReportNeedsSeller, ReportExists.
    """
    case = lock_case(case_id)
    if case.seller is None:
        raise ReportNeedsSeller()
    if case.reports.filter(state__in=[ReportState.DRAFT, ReportState.FROZEN]).exists():
        raise ReportExists()
    facts = facts_of(case, at)
    report = SuspicionReport(
        case=case, made_by=str(actor), made_at=at, indicators=list(in_force(PolicyKind.REPORTS).content["indicators"])
    )
    report.facts, report.narrative = json.dumps(facts), narrative_of(facts)
    report.save(force_insert=True)
    born(REPORT, report, actor=actor, at=at)
    audit.record(actor, "suspicion_report.draft", report.public_id, at)
    return report


def facts_of(case: Case, at: datetime) -> dict[str, Any]:
    """Return what we know, as the report says it: whom, what fired, what was at stake, what we did, whom they are linked to."""
    seller = case.seller
    if seller is None:
        raise ReportNeedsSeller()
    alerts = Alert.objects.filter(case=case).order_by("at", "pk")[:ALERTS_SHOWN]
    done = CaseDecision.objects.filter(case=case, state=CaseDecisionState.DONE).order_by("done_at", "pk")
    currency = in_force(PolicyKind.REPORTS).content["currency_local"]
    return {
        "seller": seller.public_id, "name": seller.legal_name, "entity_type": seller.entity_type, "country": seller.country, "town": seller.town,
        "since": f"{seller.created_at:%Y-%m-%d}", "case": case.public_id,
        "alerts": [
            {"on": f"{one.at:%Y-%m-%d %H:%M} UTC", "text": one.text or one.code, "money": _money(one.amount_minor, one.currency)} for one in alerts
        ],
        "at_stake": [_money(amount, currency) for currency, amount in sorted(case.at_stake.items())],
        "done": [{"on": f"{one.done_at:%Y-%m-%d}", "what": one.get_kind_display(), "money": _money(one.amount_minor, one.currency)} for one in done],
        "transfers": transfers_of(case, currency), "elsewhere": paid_elsewhere(case, currency),
        "linked": [{"name": one.seller.legal_name, "seller": one.seller.public_id, "what": one.what} for one in linked_subjects(case, at)],
    }  # fmt: skip


def _money(amount_minor: int, currency: str) -> str:
    return Money(amount_minor, currency).display() if currency and amount_minor else ""


def narrative_of(facts: dict[str, Any]) -> str:
    """Return the narrative to begin with; people write on from there."""
    kind = {"company": "the company", "sole_trader": "the sole trader"}.get(facts["entity_type"], "the private person")
    place = f"{facts['town']}, {facts['country']}" if facts["town"] else facts["country"]
    lines = [
        f"{facts['name']} ({kind}, {place}) has sold on our marketplace since {facts['since']} under the number {facts['seller']}."
    ]
    lines += [f"What we observed{' (at stake: ' + ', '.join(facts['at_stake']) + ')' if facts['at_stake'] else ''}:"]
    lines += [f"- {one['on']}: {one['text']}{' – ' + one['money'] if one['money'] else ''}" for one in facts["alerts"]]
    if facts["done"]:
        lines += [
            "What we did:",
            *(f"- {one['on']}: {one['what']}{' ' + one['money'] if one['money'] else ''}" for one in facts["done"]),
        ]
    if facts["elsewhere"]:
        lines += ["Paid out in other currencies:", *(f"- {one['on']}: {one['money']}" for one in facts["elsewhere"])]
    if facts["linked"]:
        lines += ["Linked sellers:", *(f"- {one['name']} ({one['seller']}): same {one['what']}" for one in facts["linked"])]
    text = "\n".join([*lines, "Why we suspect: "])
    return text if len(text) <= NARRATIVE_MAX else text[: NARRATIVE_MAX - 40].rsplit("\n", 1)[0] + "\nWhy we suspect: "


@composable
def write_report(*, report_id: int, narrative: str, indicators: Sequence[str], actor: Actor, at: datetime) -> SuspicionReport:
    """Change the narrative and indicators of a draft. Refuses: NotFound, ReportIs, NarrativeInvalid."""
    report = _lock(report_id, ReportState.DRAFT)
    codes = [one.strip() for one in indicators if one.strip()]
    if not 0 < len(narrative.strip()) <= NARRATIVE_MAX or any(
        not one.replace("-", "").replace("_", "").isalnum() for one in codes
    ):
        raise NarrativeInvalid()
    report.narrative, report.indicators = narrative.strip().replace("\r\n", "\n"), codes
    report.save(update_fields=["narrative", "indicators"])
    audit.record(actor, "suspicion_report.write", report.public_id, at)
    return report


@composable
def freeze_report(*, report_id: int, actor: Actor, at: datetime) -> SuspicionReport:
    """Build the file, hold it to goAML's structure, and freeze it for a second person. Refuses: NotFound, ReportIs, ReporterUnknown, ReportInvalid."""
    report = _lock(report_id, ReportState.DRAFT)
    reporter = in_force(PolicyKind.REPORTS).content
    if not reporter["rentity_id"]:
        raise ReporterUnknown()
    facts = json.loads(report.facts)
    party = goaml.Party(
        is_entity=facts["entity_type"] == EntityType.COMPANY, name=facts["name"], country=facts["country"], town=facts["town"],
        reference=facts["seller"], reason=f"Subject of {facts['case']}",
    )  # fmt: skip
    action = "; ".join(f"{one['on']}: {one['what']}" for one in facts["done"]) or "Under observation"
    data = goaml.build(
        reporter=reporter, reference=report.public_id, at=at, reason=report.narrative, action=action[:NARRATIVE_MAX], party=party,
        indicators=report.indicators, transfers=[transfer_of(one) for one in facts.get("transfers", [])],
    )  # fmt: skip
    report.xml, report.sha256 = data.decode(), hashlib.sha256(data).hexdigest()
    report.frozen_by, report.frozen_at = str(actor), at
    report.save(update_fields=["xml", "sha256", "frozen_by", "frozen_at"])
    transition(REPORT, report, ReportState.FROZEN, actor=actor, at=at)
    # who only wrote it is barred as well: the second person has had no hand in it
    barred = {report.made_by: "you drafted it"} if report.made_by != str(actor) else {}
    approvals.request_approval(
        action=ACTION,
        subject=report.public_id,
        content_hash=report.sha256,
        shown={"sha256": report.sha256},
        maker=actor,
        at=at,
        barred=barred,
    )
    audit.record(actor, "suspicion_report.freeze", report.public_id, at, facts={"sha256": report.sha256})
    return report


@composable
def reopen_report(*, report_id: int, actor: Actor, at: datetime, reason: str) -> SuspicionReport:
    """Take a frozen report back into writing; its file is thrown away. Refuses: NotFound, ReportIs, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing()
    report = _lock(report_id, ReportState.FROZEN)
    approvals.refuse(action=ACTION, subject=report.public_id, checker=actor, at=at, reason=reason)
    transition(REPORT, report, ReportState.DRAFT, actor=actor, at=at, reason=reason)
    report.xml, report.sha256, report.frozen_by, report.frozen_at = "", "", "", None
    report.save(update_fields=["xml", "sha256", "frozen_by", "frozen_at"])
    audit.record(actor, "suspicion_report.reopen", report.public_id, at, reason)
    return report


@composable
def file_report(*, report_id: int, filed_ref: str, actor: Actor, at: datetime) -> SuspicionReport:
    """Say, as the second person, that exactly the frozen bytes were handed to the authority, and what it answered with.

    Refuses: NotFound, ReportIs, FiledReferenceMissing, and as approvals do.
    """
    if not 0 < len(filed_ref.strip()) <= 120:
        raise FiledReferenceMissing()
    report = _lock(report_id, ReportState.FROZEN)
    digest = hashlib.sha256(report.xml.encode()).hexdigest()
    exact: Any = {"action": ACTION, "subject": report.public_id, "content_hash": digest, "at": at}
    approvals.approve(checker=actor, **exact)
    approvals.use_approval(**exact)
    report.filed_by, report.filed_at, report.filed_ref = str(actor), at, filed_ref.strip()
    report.save(update_fields=["filed_by", "filed_at", "filed_ref"])
    transition(REPORT, report, ReportState.FILED, actor=actor, at=at)
    audit.record(actor, "suspicion_report.file", report.public_id, at, facts={"sha256": digest})
    return report


@composable
def withdraw_report(*, report_id: int, actor: Actor, at: datetime, reason: str) -> SuspicionReport:
    """Withdraw a report that is not filed; it stays on record with the reason. Refuses: NotFound, ReportIs, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing()
    report = _lock(report_id, ReportState.DRAFT, ReportState.FROZEN)
    if report.state == ReportState.FROZEN:
        approvals.refuse(action=ACTION, subject=report.public_id, checker=actor, at=at, reason=reason)
    transition(REPORT, report, ReportState.WITHDRAWN, actor=actor, at=at, reason=reason)
    audit.record(actor, "suspicion_report.withdraw", report.public_id, at, reason)
    return report


@composable
def open_report(*, report_id: int, what: str, actor: Actor, at: datetime) -> tuple[SuspicionReport, str]:
    """Return the narrative or the file of a report; who opened it stands in the audit. `what` is narrative or file. Refuses: NotFound, ReportIs."""
    report = SuspicionReport.objects.filter(pk=report_id).first()
    if report is None:
        raise NotFound(what="report", ref=report_id)
    text = report.xml if what == "file" else report.narrative
    if not text:
        raise ReportIs(state=report.get_state_display())
    audit.record(actor, f"suspicion_report.open_{what}", report.public_id, at)
    return report, text


def _lock(report_id: int, *states: str) -> SuspicionReport:
    report = SuspicionReport.objects.select_for_update().filter(pk=report_id).first()
    if report is None:
        raise NotFound(what="report", ref=report_id)
    if report.state not in states:
        raise ReportIs(state=report.get_state_display())
    return report
