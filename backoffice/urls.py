"""All doors: the desk, the API, health."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView

from backoffice import health
from backoffice.kit.api import docs
from backoffice.kit.api.views import NotHere
from backoffice.partners import api as partners
from backoffice.staff import views as staff
from billing.webhooks import door

# Whose refusals a caller of the API can meet.
API_ROOMS = (
    "backoffice.kit.api", "backoffice.kit.idempotency", "backoffice.kit.gates", "payouts.sellers.operations", "payouts.compliance.answering", "payouts.compliance.content",
    "payouts.compliance.documents", "payouts.compliance.persons", "payouts.compliance.numbers", "payouts.sellers.profile",
    "billing.plans.operations", "billing.subscriptions", "billing.customers.clock", "billing.collection.sockets",
    "payouts.sellers.validation", "payouts.runs.building", "payouts.runs.booking", "payouts.runs.giving_back", "payouts.runs.planning",
    "billing.disputes.working", "billing.disputes.evidence", "billing.disputes.submitting",
    "fraud.features.recording",
    "backoffice.partners.operations", "backoffice.partners.outgoing.endpoints", "backoffice.partners.outgoing.replaying",
    "billing.customers.operations", "billing.customers.vat", "billing.invoices.finalising", "billing.invoices.giving_up", "billing.invoices.documents",
)  # fmt: skip
api: list[URLPattern | URLResolver] = [
    path("", include("payouts.api_urls")),
    path("", include("billing.api_urls")),
    path("", include("fraud.api_urls")),
    path("events", partners.Events.as_view()),
    path("events/<public_id:event_id>", partners.OneEvent.as_view()),
    path("", include("backoffice.partners.outgoing.api_urls")),
    path("openapi.json", docs.openapi),
    re_path("", NotHere.as_view()),
]

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/", permanent=False)),
    path("", include("backoffice.desk.urls")),
    path("admin/", admin.site.urls),
    path("staff/sign-in/<str:token>/", staff.sign_in, name="staff-sign-in"),
    path("webhooks/stripe/", door.stripe),
    path("api/v1/", include(api)),
    path("api/docs/", docs.swagger),
    path("api/docs/errors/", docs.errors, {"rooms": API_ROOMS}),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
]
