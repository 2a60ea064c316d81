"""The verbs of this room: the door for everybody else."""

from payouts.compliance.admitting import REACTIVATE, REJECT, approve_decision, ask_decision, refuse_decision
from payouts.compliance.answering import answer_requirement
from payouts.compliance.deadlines import apply_catalogues, assess_volumes, keep_deadlines
from payouts.compliance.deciding import (
    accept_requirement,
    approve_waiver,
    ask_seller,
    ask_waiver,
    refuse_requirement,
    refuse_waiver,
    reopen_requirement,
    start_review,
)
from payouts.compliance.documents import open_document, preview_document, refuse_document, upload_document, validate_document
from payouts.compliance.erasing import delete_erased_files, erase_personal_data
from payouts.compliance.opening import open_missing_files, vouch_for_sellers
from payouts.compliance.persons import add_person, declare_ownership, remove_person
from payouts.compliance.rating import approve_override, ask_override, rate_sellers, refuse_override
from payouts.compliance.settling import settle_file
from payouts.compliance.tax import TaxItem, ask_tax_data, set_tax_deadline
from payouts.compliance.vault import move_out

__all__ = [
    "REACTIVATE",
    "REJECT",
    "TaxItem",
    "accept_requirement",
    "add_person",
    "answer_requirement",
    "apply_catalogues",
    "approve_decision",
    "approve_override",
    "approve_waiver",
    "ask_decision",
    "ask_override",
    "ask_seller",
    "ask_tax_data",
    "ask_waiver",
    "assess_volumes",
    "declare_ownership",
    "delete_erased_files",
    "erase_personal_data",
    "keep_deadlines",
    "move_out",
    "open_document",
    "open_missing_files",
    "preview_document",
    "rate_sellers",
    "refuse_decision",
    "refuse_document",
    "refuse_override",
    "refuse_requirement",
    "refuse_waiver",
    "remove_person",
    "reopen_requirement",
    "set_tax_deadline",
    "settle_file",
    "start_review",
    "upload_document",
    "validate_document",
    "vouch_for_sellers",
]
