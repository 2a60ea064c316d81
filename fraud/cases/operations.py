"""Verbs of cases, in one place for other rooms and wings; each stands in the module of its subject."""

from fraud.cases.closing import close_case
from fraud.cases.deciding import approve_case_decision, decide_case, lapse_decisions, refuse_case_decision
from fraud.cases.effects import Wish
from fraud.cases.joining import merge_cases, split_case
from fraud.cases.noting import attach_paper, open_paper, write_note
from fraud.cases.reporting import (
    draft_report,
    file_report,
    freeze_report,
    open_report,
    reopen_report,
    withdraw_report,
    write_report,
)
from fraud.cases.taking import Fired, open_case, raise_alert
from fraud.cases.working import (
    assign_case,
    claim_case,
    claim_next,
    escalate_case,
    look_after,
    put_back,
    raise_priority,
    snooze_case,
)

__all__ = [
    "Fired",
    "Wish",
    "approve_case_decision",
    "assign_case",
    "attach_paper",
    "claim_case",
    "claim_next",
    "close_case",
    "decide_case",
    "draft_report",
    "escalate_case",
    "file_report",
    "freeze_report",
    "lapse_decisions",
    "look_after",
    "merge_cases",
    "open_case",
    "open_paper",
    "open_report",
    "put_back",
    "raise_alert",
    "raise_priority",
    "refuse_case_decision",
    "reopen_report",
    "snooze_case",
    "split_case",
    "withdraw_report",
    "write_note",
    "write_report",
]
