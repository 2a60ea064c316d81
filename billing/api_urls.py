"""The addresses of this wing in the API."""

from django.urls import URLPattern, path

from backoffice.kit.api import routes  # noqa: F401 - registers <public_id:…>
from billing.disputes import api as disputes

urlpatterns: list[URLPattern] = [
    path("disputes", disputes.Disputes.as_view()),
    path("disputes/<public_id:dispute_id>", disputes.OneDispute.as_view()),
    path("disputes/<public_id:dispute_id>/evidence", disputes.DisputeEvidence.as_view()),
    path("disputes/<public_id:dispute_id>/submit", disputes.DisputeSubmit.as_view()),
    path("disputes/<public_id:dispute_id>/accept", disputes.DisputeAccept.as_view()),
]
