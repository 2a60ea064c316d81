"""Webhook endpoints and deliveries by API: a partner opens, tries and mends its own."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from backoffice.kit import clock
from backoffice.kit.api.answers import instant
from backoffice.kit.api.fields import ObjectOut, StrictSerializer, Text, WholeNumber
from backoffice.kit.api.lists import Filter, Page, instants
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from backoffice.kit.errors import NotFound
from backoffice.partners.outgoing import endpoints, operations
from backoffice.partners.outgoing.models import WebhookDelivery, WebhookEndpoint
from backoffice.partners.outgoing.states import DeliveryStatus, EndpointStatus

ENDPOINT_COLUMNS = (
    "id", "public_id", "created_at", "url", "description", "event_types", "status", "failing_since", "last_success_at", "previous_until",
)  # fmt: skip
DELIVERY_COLUMNS = (
    "id", "public_id", "created_at", "endpoint__public_id", "event__public_id", "event__type", "event__subject", "sequence", "status", "tries",
    "next_attempt_at", "last_code", "ended_at", "replays",
)  # fmt: skip


class EndpointOut(ObjectOut):
    """An address that is told of the partner's events. Its secret is read at /webhook_endpoints/{id}/secret."""

    url = serializers.CharField()
    description = serializers.CharField()
    event_types = serializers.ListField(
        child=serializers.CharField(), help_text="Such as payout.paid or payout.*; none means all."
    )
    status = serializers.ChoiceField(choices=EndpointStatus.choices)
    failing_since = serializers.DateTimeField(
        allow_null=True, help_text="Only failures since then; after five days it is disabled."
    )
    last_success_at = serializers.DateTimeField(allow_null=True)
    old_secret_until = serializers.DateTimeField(allow_null=True, help_text="Until then the secret before signs as well.")


class EndpointIn(StrictSerializer):
    """Where to send what. Names are judged when we connect: private networks are not reached."""

    url = Text(max_length=endpoints.URL_MAX, trim_whitespace=False)
    description = Text(max_length=120, required=False, allow_blank=True, default="")
    event_types = serializers.ListField(child=Text(max_length=60), max_length=50, required=False, default=list)


class EndpointChangeIn(StrictSerializer):
    """What changes; the rest stays."""

    url = Text(max_length=endpoints.URL_MAX, trim_whitespace=False, required=False)
    description = Text(max_length=120, required=False, allow_blank=True)
    event_types = serializers.ListField(child=Text(max_length=60), max_length=50, required=False)


class SecretOut(serializers.Serializer[Any]):
    """The secrets that sign now, the newest first; two during a rotation."""

    object = serializers.CharField()
    endpoint = serializers.CharField()
    secrets = serializers.ListField(child=serializers.CharField())
    livemode = serializers.BooleanField()


class RotateIn(StrictSerializer):
    """How long the secret before signs as well."""

    overlap_hours = WholeNumber(
        min_value=0, max_value=endpoints.OVERLAP_HOURS_MAX, required=False, default=endpoints.OVERLAP_HOURS
    )


class WhyIn(StrictSerializer):
    """Why; kept in the history of the endpoint."""

    reason = Text(max_length=500)


class NothingIn(StrictSerializer):
    """An empty object."""


class StretchIn(StrictSerializer):
    """Which events, by when they happened."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField(required=False)


class ResentOut(serializers.Serializer[Any]):
    """How many deliveries were put on their way; ask again until it is 0."""

    object = serializers.CharField()
    endpoint = serializers.CharField()
    count = serializers.IntegerField()
    livemode = serializers.BooleanField()


class DeliveryOut(ObjectOut):
    """One event for one endpoint. The header webhook-id carries the event's id at every attempt."""

    endpoint = serializers.CharField()
    event = serializers.CharField()
    event_type = serializers.CharField()
    subject = serializers.CharField()
    sequence = serializers.IntegerField(help_text="The event's number among the events of its subject.")
    status = serializers.ChoiceField(choices=DeliveryStatus.choices)
    tries = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    last_code = serializers.CharField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    replays = serializers.IntegerField()


class AttemptOut(serializers.Serializer[Any]):
    """One request. `answer` is the beginning of what came back, kept for 30 days."""

    number = serializers.IntegerField()
    started_at = serializers.DateTimeField()
    milliseconds = serializers.IntegerField()
    http_status = serializers.IntegerField(allow_null=True)
    code = serializers.CharField()
    answer = serializers.CharField()


class DeliveryWithAttemptsOut(DeliveryOut):
    """A delivery with its attempts, the first first."""

    attempts = AttemptOut(many=True)


_WHE, _DEL, _EVT = "whe_01jd3k5m6n7p8q9r0s1t2v3w4x", "del_01jd3k5m6n7p8q9r0s1t2v3w4x", "evt_01jd3k5m6n7p8q9r0s1t2v3w4x"
ENDPOINT_IN = {"url": "https://example.com/hooks", "description": "bookkeeping", "event_types": ["payout.*"]}
ENDPOINT_EXAMPLE = {
    "id": _WHE, "object": "webhook_endpoint", "created_at": "2026-11-21T09:30:00Z", "livemode": False, **ENDPOINT_IN, "status": "enabled",
    "failing_since": None, "last_success_at": "2026-11-21T10:00:00Z", "old_secret_until": None,
}  # fmt: skip
SECRET_EXAMPLE = {"object": "webhook_secret", "endpoint": _WHE, "secrets": ["whsec_…"], "livemode": False}
DELIVERY_EXAMPLE = {
    "id": _DEL, "object": "delivery", "created_at": "2026-11-21T09:30:00Z", "livemode": False, "endpoint": _WHE, "event": _EVT,
    "event_type": "payout.paid", "subject": "pay_01jd3k5m6n7p8q9r0s1t2v3w4x", "sequence": 3, "status": "succeeded", "tries": 1,
    "next_attempt_at": None, "last_code": "delivered", "ended_at": "2026-11-21T09:30:01Z", "replays": 0,
}  # fmt: skip
ATTEMPT_EXAMPLE = {
    "number": 1, "started_at": "2026-11-21T09:30:00Z", "milliseconds": 84, "http_status": 204, "code": "delivered", "answer": "",
}  # fmt: skip
FILTERS = [
    Filter("endpoint", "endpoint__public_id", Text(max_length=40)),
    Filter("event", "event__public_id", Text(max_length=40)),
    Filter("status", "status", serializers.ChoiceField(choices=DeliveryStatus.choices)),
    *instants("created_at", "created_at"),
]
_DISABLED = "endpoint_disabled:409:The endpoint is disabled: nothing is sent to it. Enable it first."
_UNUSABLE = "endpoint_address_unusable:422:The address of an endpoint begins with https://."
_TYPES = "event_type_unusable:422:'Payout' is no type of events."


def represent(row: tuple[Any, ...], livemode: bool) -> dict[str, Any]:
    _, public_id, created_at, url, description, event_types, status, failing_since, last_success_at, previous_until = row
    return {
        "id": public_id, "object": "webhook_endpoint", "created_at": instant(created_at), "livemode": livemode, "url": url,
        "description": description, "event_types": event_types, "status": status, "failing_since": instant(failing_since),
        "last_success_at": instant(last_success_at), "old_secret_until": instant(previous_until),
    }  # fmt: skip


def represent_delivery(row: tuple[Any, ...], livemode: bool) -> dict[str, Any]:
    (
        _, public_id, created_at, endpoint, event, event_type, subject, sequence, status, tries, next_attempt_at, last_code, ended_at, replays,
    ) = row  # fmt: skip
    return {
        "id": public_id, "object": "delivery", "created_at": instant(created_at), "livemode": livemode, "endpoint": endpoint, "event": event,
        "event_type": event_type, "subject": subject, "sequence": sequence, "status": status, "tries": tries,
        "next_attempt_at": instant(next_attempt_at) if status == DeliveryStatus.PENDING else None, "last_code": last_code or None,
        "ended_at": instant(ended_at), "replays": replays,
    }  # fmt: skip


def _endpoints(request: Any) -> QuerySet[WebhookEndpoint]:
    return WebhookEndpoint.objects.filter(partner_id=request.user.partner_id)


def _deliveries(request: Any) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(endpoint__partner_id=request.user.partner_id)


def _pk(request: Any, endpoint_id: str) -> int:
    found = _endpoints(request).filter(public_id=endpoint_id).values_list("pk", flat=True).first()
    if found is None:
        raise NotFound(what="webhook endpoint", ref=endpoint_id)
    return found


def _shown(request: Any, pk: int) -> dict[str, Any]:
    return represent(_endpoints(request).values_list(*ENDPOINT_COLUMNS).get(pk=pk), request.user.livemode)


class Endpoints(ApiView):
    """The caller's endpoints."""

    @listing(operation="list_webhook_endpoints", scope="webhooks:read", answers=EndpointOut, example=ENDPOINT_EXAMPLE)
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List webhook endpoints, newest first."""
        return page.of(_endpoints(request), ENDPOINT_COLUMNS, lambda row: represent(row, request.user.livemode))

    @verb(
        operation="create_webhook_endpoint", scope="webhooks:write", takes=EndpointIn, answers=EndpointOut, example_in=ENDPOINT_IN,
        example=ENDPOINT_EXAMPLE, refusals=[_UNUSABLE, _TYPES, "too_many_endpoints:409:A partner has at most 20 endpoints."],
    )  # fmt: skip
    def post(self, request: Any, given: dict[str, Any], call: Call) -> dict[str, Any]:
        """Open a webhook endpoint; read its secret next."""
        made = operations.create_endpoint(partner_id=request.user.partner_id, actor=call.actor, at=call.at, **given)
        return _shown(request, made.pk)


class OneEndpoint(ApiView):
    """One endpoint."""

    @question(operation="get_webhook_endpoint", scope="webhooks:read", answers=EndpointOut, example=ENDPOINT_EXAMPLE)
    def get(self, request: Any, endpoint_id: str) -> dict[str, Any]:
        """Read one webhook endpoint."""
        return _shown(request, _pk(request, endpoint_id))

    @verb(
        operation="update_webhook_endpoint", scope="webhooks:write", takes=EndpointChangeIn, answers=EndpointOut,
        example_in={"event_types": ["payout.*", "seller.*"]}, example=ENDPOINT_EXAMPLE, status=200, needs_key=False,
        refusals=[_UNUSABLE, _TYPES],
    )  # fmt: skip
    def patch(self, request: Any, given: dict[str, Any], call: Call, endpoint_id: str) -> dict[str, Any]:
        """Change address, description or filter of an endpoint."""
        changed = operations.change_endpoint(endpoint_id=_pk(request, endpoint_id), actor=call.actor, at=call.at, **given)
        return _shown(request, changed.pk)


class EndpointSecret(ApiView):
    """The secrets of an endpoint. They are no part of any remembered answer."""

    @question(operation="get_webhook_secret", scope="webhooks:write", answers=SecretOut, example=SECRET_EXAMPLE)
    def get(self, request: Any, endpoint_id: str) -> dict[str, Any]:
        """Read the secrets that sign now; that they were read stands in the audit trail."""
        secrets = operations.read_secret(endpoint_id=_pk(request, endpoint_id), actor=request.user.actor, at=clock.now())
        return {"object": "webhook_secret", "endpoint": endpoint_id, "secrets": secrets, "livemode": request.user.livemode}


class RotateSecret(ApiView):
    """A new secret."""

    @verb(
        operation="create_webhook_secret", scope="webhooks:write", takes=RotateIn, answers=EndpointOut, example_in={"overlap_hours": 24},
        example=ENDPOINT_EXAMPLE, status=200,
    )  # fmt: skip
    def post(self, request: Any, given: dict[str, Any], call: Call, endpoint_id: str) -> dict[str, Any]:
        """Sign with a new secret; the one before signs as well until the overlap ends."""
        pk = _pk(request, endpoint_id)
        operations.rotate_secret(endpoint_id=pk, actor=call.actor, at=call.at, **given)
        return _shown(request, pk)


class DisableEndpoint(ApiView):
    """Stop."""

    @verb(
        operation="update_webhook_endpoint_to_disabled", scope="webhooks:write", takes=WhyIn, answers=EndpointOut, example_in={"reason": "moving house"},
        example=ENDPOINT_EXAMPLE | {"status": "disabled_by_user"}, status=200, refusals=[_DISABLED],
    )  # fmt: skip
    def post(self, request: Any, given: dict[str, Any], call: Call, endpoint_id: str) -> dict[str, Any]:
        """Send nothing more to an endpoint; what waits is skipped."""
        pk = _pk(request, endpoint_id)
        operations.disable_endpoint(endpoint_id=pk, actor=call.actor, at=call.at, reason=given["reason"])
        return _shown(request, pk)


class EnableEndpoint(ApiView):
    """Go on."""

    @verb(
        operation="update_webhook_endpoint_to_enabled", scope="webhooks:write", takes=WhyIn, answers=EndpointOut, example_in={"reason": "mended"},
        example=ENDPOINT_EXAMPLE, status=200, refusals=["endpoint_live:409:The endpoint is enabled already."],
    )  # fmt: skip
    def post(self, request: Any, given: dict[str, Any], call: Call, endpoint_id: str) -> dict[str, Any]:
        """Send to an endpoint again, from now on."""
        pk = _pk(request, endpoint_id)
        operations.enable_endpoint(endpoint_id=pk, actor=call.actor, at=call.at, reason=given["reason"])
        return _shown(request, pk)


class PingEndpoint(ApiView):
    """Try it."""

    @verb(
        operation="create_webhook_ping", scope="webhooks:write", takes=NothingIn, answers=EndpointOut, example_in={}, example=ENDPOINT_EXAMPLE,
        status=202, refusals=[_DISABLED],
    )  # fmt: skip
    def post(self, request: Any, given: dict[str, Any], call: Call, endpoint_id: str) -> dict[str, Any]:
        """Send an event of the type webhook_endpoint.ping to this endpoint alone."""
        pk = _pk(request, endpoint_id)
        operations.ping_endpoint(endpoint_id=pk, actor=call.actor, at=call.at)
        return _shown(request, pk)


class ResendMissed(ApiView):
    """What an endpoint missed."""

    @verb(
        operation="create_webhook_resend", scope="webhooks:write", takes=StretchIn, answers=ResentOut, example_in={"since": "2026-11-20T00:00:00Z"},
        example={"object": "resent", "endpoint": _WHE, "count": 12, "livemode": False}, status=202,
        refusals=[_DISABLED, "stretch_unusable:422:The stretch begins before it ends, and at most 90 days ago."],
    )  # fmt: skip
    def post(self, request: Any, given: dict[str, Any], call: Call, endpoint_id: str) -> dict[str, Any]:
        """Send the events of a stretch that this endpoint did not get: given up, skipped, or from before it existed."""
        count = operations.resend_missed(endpoint_id=_pk(request, endpoint_id), actor=call.actor, at=call.at, **given)
        return {"object": "resent", "endpoint": endpoint_id, "count": count, "livemode": request.user.livemode}


class Deliveries(ApiView):
    """What was and will be sent to the caller's endpoints."""

    @listing(
        operation="list_deliveries", scope="webhooks:read", answers=DeliveryOut, example=DELIVERY_EXAMPLE, filters=FILTERS,
    )  # fmt: skip
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List deliveries, newest first."""
        return page.of(_deliveries(request), DELIVERY_COLUMNS, lambda row: represent_delivery(row, request.user.livemode))


class OneDelivery(ApiView):
    """One delivery."""

    @question(
        operation="get_delivery", scope="webhooks:read", answers=DeliveryWithAttemptsOut,
        example=DELIVERY_EXAMPLE | {"attempts": [ATTEMPT_EXAMPLE]},
    )  # fmt: skip
    def get(self, request: Any, delivery_id: str) -> dict[str, Any]:
        """Read one delivery with its attempts."""
        row = _deliveries(request).filter(public_id=delivery_id).values_list(*DELIVERY_COLUMNS).first()
        if row is None:
            raise NotFound(what="delivery", ref=delivery_id)
        attempts = WebhookDelivery(pk=row[0]).attempts.order_by("number")
        return represent_delivery(row, request.user.livemode) | {
            "attempts": [
                {
                    "number": one.number, "started_at": instant(one.started_at), "milliseconds": one.ms, "http_status": one.http_status,
                    "code": one.code, "answer": one.answer,
                }
                for one in attempts
            ]
        }  # fmt: skip


class ReplayDelivery(ApiView):
    """Once more."""

    @verb(
        operation="create_delivery_replay", scope="webhooks:write", takes=NothingIn, answers=DeliveryOut, example_in={},
        example=DELIVERY_EXAMPLE | {"status": "pending"}, status=202,
        refusals=[_DISABLED, "delivery_under_way:409:The delivery is to be sent: it is sent by itself."],
    )  # fmt: skip
    def post(self, request: Any, given: dict[str, Any], call: Call, delivery_id: str) -> dict[str, Any]:
        """Send a delivery once more, under the same id."""
        pk = _deliveries(request).filter(public_id=delivery_id).values_list("pk", flat=True).first()
        if pk is None:
            raise NotFound(what="delivery", ref=delivery_id)
        operations.replay_delivery(delivery_id=pk, actor=call.actor, at=call.at)
        return represent_delivery(_deliveries(request).values_list(*DELIVERY_COLUMNS).get(pk=pk), request.user.livemode)
