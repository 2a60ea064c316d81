"""Answer a dispute: the row and its key are committed first, then a worker calls, then the answer is recorded.

An answer that may or may not have arrived is unknown: the provider is asked what it has, and nothing is sent a second time on a guess.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from django.db import transaction

from backoffice.kit.actors import Actor, system
from backoffice.kit.errors import Refusal
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from billing.disputes import evidence, mirroring
from billing.disputes.models import Dispute, DisputeSubmission, EvidenceFile, SubmissionKind
from billing.disputes.reading import DisputeFacts, read_dispute
from billing.disputes.sockets import gateways
from billing.disputes.states import NEEDS_ANSWER, OPEN_SUBMISSIONS, SUBMISSION, WORK, SubmissionState, WorkState
from billing.disputes.working import lock_open, take_off_automatic
from billing.gateways.port import Answer, Gateway, Outcome

logger = logging.getLogger(__name__)
WORKER = system("dispute_submissions")
# A call has ended by then, one way or the other; after it a claimed row without an answer is unknown.
LEASE = timedelta(seconds=90)
# How long the provider may take to show what it has: only then does "not there" mean it never came.
VISIBLE_AFTER = timedelta(minutes=5)
ASK_EVERY = timedelta(minutes=1)
declare("dispute_claimed", "dispute_called")


class EvidenceEmpty(Refusal):
    code = "evidence_empty"
    sentence = "The pack holds no text and no file. Only the first submission counts: write down what happened first."


class EvidenceChanged(Refusal):
    code = "evidence_changed"
    sentence = "The pack has changed since it was shown. Look at it again: only one submission counts."


class SubmissionOpen(Refusal):
    code = "dispute_submission_open"
    sentence = "An answer to this dispute is already {state}. Wait until the provider has said what it has."


class DeadlinePassed(Refusal):
    code = "dispute_deadline_passed"
    sentence = "The provider's deadline passed on {on}."


class GatewayTakesNoFiles(Refusal):
    code = "gateway_takes_no_files"
    sentence = "The gateway {name} takes texts only. Remove the files from the pack, or send them in its own dashboard."


@runtime_checkable
class FileTaker(Protocol):
    """A gateway that also takes papers; DONE answers their id as `provider_ref`."""

    def upload_file(self, *, data: bytes, media_type: str, purpose: str, key: str) -> Answer: ...


@composable
def submit_evidence(*, dispute_id: int, content_hash: str, actor: Actor, at: datetime) -> DisputeSubmission:
    """Ask for the pack to be sent, exactly as it was shown; the worker sends it, once.

    Tells dispute.submission_asked. Refuses: NotFound, DisputeNeedsNoAnswer, WorkIsDone, EvidenceEmpty, EvidenceChanged, SubmissionOpen,
    DeadlinePassed, GatewayTakesNoFiles.
    """
    row = lock_open(dispute_id)
    if row.due_by is not None and at >= row.due_by:
        raise DeadlinePassed(on=f"{row.due_by:%Y-%m-%d %H:%M} UTC")
    pack = evidence.pack_of(row)
    size = evidence.measure(pack)
    if size.is_empty:
        raise EvidenceEmpty()
    if size.content_hash != content_hash:
        raise EvidenceChanged()
    if size.bytes and not isinstance(gateways.by_name(row.provider), FileTaker):
        raise GatewayTakesNoFiles(name=row.provider)
    files = {one.field: one.public_id for one in evidence.files_of(pack)}
    return _ask(
        row, SubmissionKind.EVIDENCE, {"texts": evidence.texts_of(pack), "files": files}, content_hash, actor=actor, at=at
    )


@composable
def accept_dispute(*, dispute_id: int, actor: Actor, at: datetime, reason: str = "") -> DisputeSubmission:
    """Ask for the dispute to be accepted as lost: the buyer keeps the money. The provider allows no way back.

    Tells dispute.submission_asked. Refuses: NotFound, DisputeNeedsNoAnswer, WorkIsDone, SubmissionOpen.
    """
    row = lock_open(dispute_id)
    return _ask(row, SubmissionKind.ACCEPTANCE, {}, "", actor=actor, at=at, reason=reason)


def _ask(
    row: Dispute, kind: str, content: dict[str, Any], content_hash: str, *, actor: Actor, at: datetime, reason: str = ""
) -> DisputeSubmission:
    earlier = row.submissions.filter(state__in=OPEN_SUBMISSIONS).first()
    if earlier is not None:
        raise SubmissionOpen(state=earlier.get_state_display())
    number = row.submissions.count() + 1
    asked = DisputeSubmission(
        dispute=row, kind=kind, number=number, key=f"dispute_{kind}:{row.public_id}:{number}", content_hash=content_hash,
        count_before=row.submission_count, asked_by=str(actor), asked_at=at, next_try_at=at,
    )  # fmt: skip
    asked.content = json.dumps(content, ensure_ascii=False) if content else ""
    asked.save(force_insert=True)
    born(SUBMISSION, asked, actor=actor, at=at, reason=reason)
    to = WorkState.SUBMITTED if kind == SubmissionKind.EVIDENCE else WorkState.ACCEPTED
    transition(WORK, row, to, actor=actor, at=at, reason=reason, code=asked.public_id)
    take_off_automatic(row)
    audit.record(actor, f"dispute.{kind}", row.public_id, at, reason=reason, facts={"content": content_hash, "number": number})
    told = {"kind": str(kind), "number": number}
    tell("dispute.submission_asked", subject=row.public_id, payload=told, at=at, partner_id=row.partner_id)
    return asked


# --- the worker -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claimed:
    """A submission that is ours under `fence`: to be called (`ask_only` False) or only asked about."""

    submission_id: int
    fence: int
    ask_only: bool


@durable
def send_submissions(*, at: datetime, limit: int = 50) -> dict[str, int]:
    """Send what is asked for, and ask about what is unknown; return counts by the state they ended in."""
    counts: dict[str, int] = {}
    for _ in range(limit):
        claimed = _claim(at)
        if claimed is None:
            break
        failpoint("dispute_claimed")
        state = _look_up(claimed, at) if claimed.ask_only else _call(claimed, at)
        counts[state] = counts.get(state, 0) + 1
    return counts


@composable
def _claim(at: datetime) -> Claimed | None:
    """Take the next due submission; one whose call left and whose lease ran out can only be asked about."""
    row = (
        DisputeSubmission.objects.select_for_update(skip_locked=True)
        .filter(state__in=OPEN_SUBMISSIONS, next_try_at__lte=at)
        .order_by("next_try_at", "id")
        .first()
    )
    if row is None:
        return None
    ask_only = row.state != SubmissionState.ASKED
    if row.state == SubmissionState.ASKED:
        transition(SUBMISSION, row, SubmissionState.SENDING, actor=WORKER, at=at)
        row.called_at = at
    elif row.state == SubmissionState.SENDING:
        transition(SUBMISSION, row, SubmissionState.UNKNOWN, actor=WORKER, at=at, code="lease_ran_out")
    row.fence += 1
    row.next_try_at = at + LEASE
    row.save(update_fields=["called_at", "fence", "next_try_at"])
    return Claimed(row.pk, row.fence, ask_only)


def _call(claimed: Claimed, at: datetime) -> str:
    row = DisputeSubmission.objects.select_related("dispute").get(pk=claimed.submission_id)
    try:
        answer = _send(gateways.by_name(row.dispute.provider), row)
    except Exception as problem:  # what a gateway's own code raises says nothing about what arrived
        logger.exception("dispute submission %s: the call ended in %s", row.public_id, type(problem).__name__, exc_info=False)
        answer = Answer(Outcome.UNKNOWN, code=type(problem).__name__)
    failpoint("dispute_called")
    return _record(claimed, answer, at)


def _send(gateway: Gateway, row: DisputeSubmission) -> Answer:
    """Call the provider; files first, each under a key of its own."""
    if row.kind == SubmissionKind.ACCEPTANCE:
        return gateway.accept_dispute(provider_ref=row.dispute.provider_ref, key=row.key)
    content = json.loads(row.content)
    given: dict[str, Any] = dict(content["texts"])
    for field, public_id in content["files"].items():
        file = EvidenceFile.objects.get(public_id=public_id)
        if not file.provider_ref:
            if not isinstance(gateway, FileTaker):
                return Answer(Outcome.DECLINED, code="takes_no_files")
            key = f"dispute_file:{file.public_id}"
            taken = gateway.upload_file(
                data=evidence.bytes_of(file), media_type=file.media_type, purpose="dispute_evidence", key=key
            )
            if taken.outcome != Outcome.DONE:
                # nothing of the answer itself has left: whatever happened to the file, the pack may be sent again
                return Answer(Outcome.DECLINED, code=f"file_{taken.code or taken.outcome}"[:80])
            file.provider_ref = taken.provider_ref
            file.save(update_fields=["provider_ref"])
        given[field] = file.provider_ref
    return gateway.submit_evidence(provider_ref=row.dispute.provider_ref, evidence=given, final=True, key=row.key)


_STATE_OF = {
    Outcome.DONE: SubmissionState.DONE,
    Outcome.PENDING: SubmissionState.DONE,
    Outcome.DECLINED: SubmissionState.FAILED,
    Outcome.NEEDS_ACTION: SubmissionState.FAILED,
    Outcome.UNKNOWN: SubmissionState.UNKNOWN,
}


@transaction.atomic
def _record(claimed: Claimed, answer: Answer, at: datetime) -> str:
    """Write down what the provider answered, unless somebody else took the row over meanwhile."""
    row = _ours(claimed)
    if row is None:
        return "taken_over"
    return _end(row, _STATE_OF[answer.outcome], answer.code, at)


def _ours(claimed: Claimed) -> DisputeSubmission | None:
    dispute_id = DisputeSubmission.objects.values_list("dispute_id", flat=True).get(pk=claimed.submission_id)
    dispute = Dispute.objects.select_for_update().get(pk=dispute_id)  # the dispute first, as everywhere
    row = DisputeSubmission.objects.select_for_update().filter(pk=claimed.submission_id, fence=claimed.fence).first()
    if row is not None:
        row.dispute = dispute
    return row


def _end(row: DisputeSubmission, to: SubmissionState, code: str, at: datetime) -> str:
    if to == SubmissionState.UNKNOWN:
        if row.state != to:
            transition(SUBMISSION, row, to, actor=WORKER, at=at, code=code[:60])
        row.next_try_at = at + ASK_EVERY
        row.save(update_fields=["next_try_at"])
        return str(to)
    transition(SUBMISSION, row, to, actor=WORKER, at=at, code=code[:60])
    row.code, row.ended_at, row.next_try_at = code[:80], at, None
    row.save(update_fields=["code", "ended_at", "next_try_at"])
    dispute = row.dispute
    if to == SubmissionState.FAILED and dispute.work_state in (WorkState.SUBMITTED, WorkState.ACCEPTED):
        back = WorkState.READY if dispute.work_state == WorkState.SUBMITTED else WorkState.TRIAGE
        transition(WORK, dispute, back, actor=WORKER, at=at, code="submission_failed")
    told = {"kind": str(row.kind), "number": row.number, "state": str(to), "code": row.code}
    tell("dispute.submission_ended", subject=dispute.public_id, payload=told, at=at, partner_id=dispute.partner_id)
    return str(to)


def _look_up(claimed: Claimed, at: datetime) -> str:
    """Ask the provider whether an answer is there: its count of submissions, or a status that no longer asks for one."""
    row = DisputeSubmission.objects.select_related("dispute").get(pk=claimed.submission_id)
    facts = look(gateways.by_name(row.dispute.provider), row.dispute.provider_ref)
    with transaction.atomic():
        ours = _ours(claimed)
        if ours is None:
            return "taken_over"
        if facts is None:
            return _end(ours, SubmissionState.UNKNOWN, "", at)
        if facts.submission_count > ours.count_before or facts.status not in NEEDS_ANSWER:
            return _end(ours, SubmissionState.DONE, "found", at)
        if ours.called_at is not None and at - ours.called_at < VISIBLE_AFTER:
            return _end(ours, SubmissionState.UNKNOWN, "", at)
        return _end(ours, SubmissionState.FAILED, "never_arrived", at)


def look(gateway: Gateway, provider_ref: str) -> DisputeFacts | None:
    """Return what the provider says of a dispute now, or None when it cannot be asked."""
    try:
        answer = gateway.get_dispute(provider_ref=provider_ref)
        if answer.outcome in (Outcome.UNKNOWN, Outcome.DECLINED):
            return None
        return read_dispute(answer.facts)
    except Exception as problem:  # a question has no effect; it is asked again
        logger.exception("dispute %s: the question ended in %s", provider_ref, type(problem).__name__, exc_info=False)
        return None


@durable
def refresh_disputes(*, at: datetime, limit: int = 200) -> dict[str, int]:
    """Look again at disputes under way that nobody has looked at for a day: news may have been lost. Return counts by what was seen."""
    due = Dispute.objects.exclude(work_state=WorkState.CLOSED).exclude(status="early_warning")
    rows = list(due.filter(seen_at__lt=at - timedelta(days=1)).order_by("seen_at")[:limit])
    counts: dict[str, int] = {}
    for row in rows:
        facts = look(gateways.by_name(row.provider), row.provider_ref)
        seen = "not_answered" if facts is None else _see(row.provider, facts, at)
        counts[seen] = counts.get(seen, 0) + 1
    return counts


def _see(provider: str, facts: DisputeFacts, at: datetime) -> str:
    try:
        return str(mirroring.see_dispute(provider=provider, facts=facts, actor=WORKER, at=at))
    except Refusal:
        logger.exception("dispute %s could not be followed", facts.provider_ref)
        return "refused"
