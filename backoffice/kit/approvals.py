"""Approvals: maker and checker are two people, bound to a content hash, expiring, single use."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.ids import PublicIdField
from backoffice.kit.transactions import composable


class ApprovalState(models.TextChoices):
    REQUESTED = "requested", "waiting for a second person"
    APPROVED = "approved", "approved"
    REFUSED = "refused", "refused"
    EXPIRED = "expired", "expired"
    VOID = "void", "void, the content changed"
    USED = "used", "used"


class Approval(models.Model):
    """One request for a second pair of eyes on exactly one content."""

    public_id = PublicIdField(prefix="apr")
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=40)
    content_hash = models.CharField(max_length=64)
    shown = models.JSONField(default=dict)
    maker = models.CharField(max_length=80)
    barred = models.JSONField(default=list)
    checker = models.CharField(max_length=80, blank=True)
    state = models.CharField(max_length=20, choices=ApprovalState.choices, default=ApprovalState.REQUESTED)
    reason = models.TextField(blank=True)
    requested_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    class Meta:
        app_label = "backoffice"
        constraints = [
            models.CheckConstraint(condition=~models.Q(maker=models.F("checker")), name="maker_is_not_checker"),
            models.CheckConstraint(
                condition=~models.Q(state__in=["approved", "used"]) | ~models.Q(checker=""), name="approved_has_checker"
            ),
            models.UniqueConstraint(
                fields=["action", "subject"],
                condition=models.Q(state__in=["requested", "approved"]),
                name="one_open_approval",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}: {self.state}"


class ApproverIsMaker(Refusal):
    code = "approver_is_maker"
    sentence = "You prepared this yourself; another person must approve it."


class ApproverIsBarred(Refusal):
    code = "approver_is_barred"
    sentence = "You changed something this depends on ({why}); another person must approve it."


class ApproverIsNotAPerson(Refusal):
    code = "approver_is_not_a_person"
    sentence = "Only a person can approve this."


class ApprovalExpired(Refusal):
    code = "approval_expired"
    sentence = "The request for approval expired on {on}. Build it again."


class ApprovalNotOpen(Refusal):
    code = "approval_not_open"
    sentence = "This is already decided: it is {state}."


class ContentChanged(Refusal):
    code = "content_changed"
    sentence = "What was to be approved has changed since it was shown. Look at it again."


class ApprovalMissing(Refusal):
    code = "approval_missing"
    sentence = "Nobody has approved this yet."


@composable
def request_approval(
    *,
    action: str,
    subject: str,
    content_hash: str,
    shown: dict[str, Any],
    maker: Actor,
    at: datetime,
    barred: dict[str, str] | None = None,
) -> Approval:
    """Ask for a second pair of eyes on one content; an open request for other content of the same subject becomes void.

    `barred` maps actors who may not check (beside the maker) to why. Lives APPROVAL_LIFETIME_DAYS.
    """
    Approval.objects.select_for_update().filter(
        action=action, subject=subject, state__in=[ApprovalState.REQUESTED, ApprovalState.APPROVED]
    ).update(state=ApprovalState.VOID, decided_at=at)
    return Approval.objects.create(
        action=action,
        subject=subject,
        content_hash=content_hash,
        shown=shown,
        maker=str(maker),
        barred=[[who, why] for who, why in (barred or {}).items()],
        requested_at=at,
        expires_at=at + timedelta(days=settings.APPROVAL_LIFETIME_DAYS),
    )


@composable
def approve(
    *,
    action: str,
    subject: str,
    content_hash: str,
    checker: Actor,
    at: datetime,
    reason: str = "",
    barred: dict[str, str] | None = None,
) -> Approval:
    """Approve what was shown, as another person than the maker.

    `barred` adds actors barred since the request. Refuses: ApprovalMissing, ApprovalNotOpen, ApprovalExpired, ContentChanged, ApproverIsMaker,
    ApproverIsBarred, ApproverIsNotAPerson.
    """
    approval = _open(action, subject)
    if approval.state != ApprovalState.REQUESTED:
        raise ApprovalNotOpen(state=approval.get_state_display())
    if at >= approval.expires_at:
        raise ApprovalExpired(on=approval.expires_at.date())
    if approval.content_hash != content_hash:
        raise ContentChanged()
    if not checker.is_person:
        raise ApproverIsNotAPerson()
    if str(checker) == approval.maker:
        raise ApproverIsMaker()
    forbidden = dict(approval.barred) | (barred or {})
    if str(checker) in forbidden:
        raise ApproverIsBarred(why=forbidden[str(checker)])
    approval.state, approval.checker, approval.decided_at, approval.reason = (
        ApprovalState.APPROVED,
        str(checker),
        at,
        reason,
    )
    approval.save()
    return approval


@composable
def refuse(*, action: str, subject: str, checker: Actor, at: datetime, reason: str) -> Approval:
    """Refuse what was asked for; the maker may do so too (that is a withdrawal)."""
    approval = _open(action, subject)
    approval.state, approval.checker, approval.decided_at, approval.reason = (
        ApprovalState.REFUSED,
        "" if str(checker) == approval.maker else str(checker),
        at,
        reason,
    )
    approval.save()
    return approval


@composable
def use_approval(*, action: str, subject: str, content_hash: str, at: datetime) -> Approval:
    """Spend an approval, once, on exactly the content it was given for; unexpired."""
    approval = _open(action, subject)
    if approval.state != ApprovalState.APPROVED:
        raise ApprovalMissing()
    if approval.content_hash != content_hash:
        raise ContentChanged()
    if at >= approval.expires_at:
        raise ApprovalExpired(on=approval.expires_at.date())
    approval.state, approval.used_at = ApprovalState.USED, at
    approval.save()
    return approval


@composable
def expire_approvals(*, at: datetime) -> list[Approval]:
    """Close every request whose time is over; the rooms that asked clean up after their own."""
    due = list(
        Approval.objects.select_for_update(skip_locked=True).filter(
            state__in=[ApprovalState.REQUESTED, ApprovalState.APPROVED], expires_at__lte=at
        )
    )
    for approval in due:
        approval.state, approval.decided_at = ApprovalState.EXPIRED, at
        approval.save()
    return due


def _open(action: str, subject: str) -> Approval:
    approval = Approval.objects.select_for_update().filter(action=action, subject=subject).order_by("-id").first()
    if approval is None:
        raise ApprovalMissing()
    if approval.state not in (ApprovalState.REQUESTED, ApprovalState.APPROVED):
        raise ApprovalNotOpen(state=approval.get_state_display())
    return approval
