"""The addresses of this wing in the API."""

from django.urls import path

from backoffice.kit.api import routes  # noqa: F401 - registers <public_id:…>
from fraud.decisions import api as decisions

urlpatterns = [
    path("decisions", decisions.Decisions.as_view()),
    path("decisions/<public_id:decision_id>", decisions.OneDecision.as_view()),
]
