"""Verbs of models: keep a trained one, put it live as another person, return to the one before, retire."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Max

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.model.models import ModelVersion
from fraud.model.states import MODEL, ModelState
from fraud.model.training import Trained

ACTION = "model_version"


class ModelNotWaiting(Refusal):
    code = "model_not_waiting"
    sentence = "{model} is {state}; only one that waits for a second person can be decided. Train another."


class ModelNotLive(Refusal):
    code = "model_not_live"
    sentence = "{model} is {state}; only the live one can be retired."


@composable
def keep_model(*, trained: Trained, actor: Actor, at: datetime) -> ModelVersion:
    """Keep a trained model and ask a second person; it scores nothing yet. Tells `model.trained`."""
    list(ModelVersion.objects.select_for_update().order_by("pk"))
    number = (ModelVersion.objects.aggregate(last=Max("number"))["last"] or 0) + 1
    version = ModelVersion(
        number=number, formula=trained.formula.as_json(), review_from=trained.review_from, source=trained.source[:120],
        trained_from=trained.trained_from, trained_to=trained.trained_to, tested_to=trained.tested_to, rows=trained.rows,
        frauds=trained.frauds, measured=trained.measured, made_by=str(actor), made_at=at,
    )  # fmt: skip
    version.content_hash = content_hash(version)
    version.save()
    born(MODEL, version, actor=actor, at=at)
    approvals.request_approval(
        action=ACTION, subject=version.public_id, content_hash=version.content_hash, shown=shown(version), maker=actor, at=at
    )
    audit.record(actor, "model.train", version.public_id, at, facts=shown(version))
    tell("model.trained", subject=version.public_id, payload={"number": number}, at=at)
    return version


def shown(version: ModelVersion) -> dict[str, Any]:
    """Return what a second person agrees to."""
    return {
        "model": version.number, "review_from": version.review_from, "source": version.source, "rows": version.rows, "frauds": version.frauds,
        "measured": {name: version.measured.get(name) for name in ("auc", "average_precision", "precision", "recall", "alerts_per_day")},
    }  # fmt: skip


def content_hash(version: ModelVersion) -> str:
    return fingerprint([version.public_id, shown(version), version.formula])


@composable
def approve_model(*, model_id: int, actor: Actor, at: datetime, reason: str = "") -> ModelVersion:
    """Put a model live as another person than trained it; the one that was live is kept. Tells `model.live`.

    Refuses: NotFound, ModelNotWaiting, and what approvals refuse.
    """
    version = _waiting(model_id)
    exact: Any = {"action": ACTION, "subject": version.public_id, "content_hash": content_hash(version), "at": at}
    approvals.approve(checker=actor, reason=reason, **exact)
    approvals.use_approval(**exact)
    before = ModelVersion.objects.select_for_update().filter(state=ModelState.LIVE).first()
    if before is not None:
        transition(MODEL, before, ModelState.REPLACED, actor=actor, at=at, code=f"model_{version.number}")
    version.approved_by, version.live_at = str(actor), at
    version.save(update_fields=["approved_by", "live_at"])
    transition(MODEL, version, ModelState.LIVE, actor=actor, at=at, reason=reason)
    audit.record(actor, "model.approve", version.public_id, at, reason=reason, facts=shown(version))
    tell("model.live", subject=version.public_id, payload={"number": version.number}, at=at)
    return version


@composable
def refuse_model(*, model_id: int, actor: Actor, at: datetime, reason: str) -> ModelVersion:
    """Refuse a model that waits; who trained it may, too. Refuses: NotFound, ModelNotWaiting."""
    version = _waiting(model_id)
    approvals.refuse(action=ACTION, subject=version.public_id, checker=actor, at=at, reason=reason)
    transition(MODEL, version, ModelState.REFUSED, actor=actor, at=at, reason=reason)
    audit.record(actor, "model.refuse", version.public_id, at, reason=reason)
    return version


@composable
def retire_model(*, model_id: int, actor: Actor, at: datetime, reason: str) -> ModelVersion:
    """Take the live model out at once; decisions go on without one. Tells `model.retired`. Refuses: NotFound, ModelNotLive."""
    version = _locked(model_id)
    if version.state != ModelState.LIVE:
        raise ModelNotLive(model=version, state=version.get_state_display())
    transition(MODEL, version, ModelState.RETIRED, actor=actor, at=at, reason=reason)
    audit.record(actor, "model.retire", version.public_id, at, reason=reason)
    tell("model.retired", subject=version.public_id, payload={"number": version.number}, at=at)
    return version


def _waiting(model_id: int) -> ModelVersion:
    version = _locked(model_id)
    if version.state != ModelState.WAITING:
        raise ModelNotWaiting(model=version, state=version.get_state_display())
    return version


def _locked(model_id: int) -> ModelVersion:
    version = ModelVersion.objects.select_for_update().filter(pk=model_id).first()
    if version is None:
        raise NotFound(what="model", ref=model_id)
    return version
