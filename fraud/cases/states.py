"""States of cases, of what is decided in them, and of reports to the authorities."""

from django.db import models

from backoffice.kit.states import machine


class CaseState(models.TextChoices):
    OPEN = "open", "waits for somebody"
    WORKING = "working", "being worked on"
    SNOOZED = "snoozed", "put off"
    CLOSED = "closed", "closed"
    MERGED = "merged", "merged into another"


class CaseDecisionState(models.TextChoices):
    WAITING = "waiting", "waiting for a second person"
    APPROVED = "approved", "approved, being carried out"
    DONE = "done", "carried out"
    REFUSED = "refused", "refused"
    LAPSED = "lapsed", "nobody approved it in time"


class ReportState(models.TextChoices):
    DRAFT = "draft", "being written"
    FROZEN = "frozen", "ready, waiting for a second person"
    FILED = "filed", "filed"
    WITHDRAWN = "withdrawn", "withdrawn"


C = CaseState
CASE = machine(
    "case",
    "fraud_case",
    CaseState,
    {
        "": [C.OPEN],
        C.OPEN: [C.WORKING, C.MERGED],
        C.WORKING: [C.OPEN, C.SNOOZED, C.CLOSED, C.MERGED],
        C.SNOOZED: [C.OPEN, C.WORKING, C.MERGED],
    },
    column="state",
)
D = CaseDecisionState
CASE_DECISION = machine(
    "case_decision",
    "fraud_casedecision",
    CaseDecisionState,
    {"": [D.WAITING, D.APPROVED], D.WAITING: [D.APPROVED, D.REFUSED, D.LAPSED], D.APPROVED: [D.DONE]},
    column="state",
)
R = ReportState
REPORT = machine(
    "suspicion_report",
    "fraud_suspicionreport",
    ReportState,
    {"": [R.DRAFT], R.DRAFT: [R.FROZEN, R.WITHDRAWN], R.FROZEN: [R.DRAFT, R.FILED, R.WITHDRAWN]},
    column="state",
)
LIVE = (CaseState.OPEN, CaseState.WORKING, CaseState.SNOOZED)
