"""States of requirements and documents, with their allowed moves; the closed lists beside them."""

from django.db import models

from backoffice.kit.states import machine


class Capability(models.TextChoices):
    """What a requirement can keep a seller from."""

    SELL = "sell", "sell"
    ACCRUE = "accrue", "earn"
    PAY_OUT = "pay_out", "be paid out"
    CHANGE_PAYEE = "change_payee", "change the payee account"


# Rows that no catalogue asks for but the tax reports: they name this instead of a country and its version.
TAX_CATALOGUE = "tax"


class RequirementState(models.TextChoices):
    EVENTUALLY_DUE = "eventually_due", "due later"
    CURRENTLY_DUE = "currently_due", "due"
    PAST_DUE = "past_due", "overdue"
    PENDING_VERIFICATION = "pending_verification", "being verified"
    SATISFIED = "satisfied", "satisfied"
    WAIVED = "waived", "waived"
    WITHDRAWN = "withdrawn", "no longer asked"


class CapabilityCode(models.TextChoices):
    """Why a capability is off, the strongest first; '' is on."""

    NOT_ASSESSED = "not_assessed", "nobody has said yet what this seller has to show"
    REQUIREMENTS_PAST_DUE = "requirements_past_due", "a requirement is overdue"
    TAX_DATA_MISSING = "tax_data_missing", "data for the tax report is missing"
    REQUIREMENTS_DUE = "requirements_due", "a requirement is not met yet"
    REQUIREMENTS_PENDING = "requirements_pending", "what was given is being verified"


class DocumentState(models.TextChoices):
    CREATED = "created", "received"
    VALIDATION_ASKED = "validation_asked", "to be checked"
    VALIDATED = "validated", "accepted"
    REFUSED = "refused", "refused"
    OUT_OF_DATE = "out_of_date", "out of date"


class RefusalReason(models.TextChoices):
    """Why a document proves nothing: the closed list of Mangopay's API, less what is about a person and not about a paper."""

    UNREADABLE = "document_unreadable", "it cannot be read"
    NOT_ACCEPTED = "document_not_accepted", "this kind of document is not accepted here"
    HAS_EXPIRED = "document_has_expired", "it has expired"
    INCOMPLETE = "document_incomplete", "a side or page is missing"
    MISSING = "document_missing", "it shows something else"
    NO_MATCH_PERSON = "document_do_not_match_user_data", "it does not match the person's data"
    NO_MATCH_ACCOUNT = "document_do_not_match_account_data", "it does not match the seller's data"
    FALSIFIED = "document_falsified", "it was altered"
    UNDERAGE = "underage_person", "the person is under age"
    SPECIFIC_CASE = "specific_case", "see the message"


Q = RequirementState
_OPEN = [Q.EVENTUALLY_DUE, Q.CURRENTLY_DUE, Q.PAST_DUE, Q.PENDING_VERIFICATION]
REQUIREMENT = machine(
    "requirement",
    "payouts_requirement",
    RequirementState,
    {
        "": [*_OPEN, Q.SATISFIED, Q.WAIVED],
        Q.EVENTUALLY_DUE: [Q.CURRENTLY_DUE, Q.PENDING_VERIFICATION, Q.SATISFIED, Q.WAIVED, Q.WITHDRAWN],
        Q.CURRENTLY_DUE: [Q.PAST_DUE, Q.PENDING_VERIFICATION, Q.SATISFIED, Q.WAIVED, Q.WITHDRAWN],
        Q.PAST_DUE: [Q.PENDING_VERIFICATION, Q.SATISFIED, Q.WAIVED, Q.WITHDRAWN],
        Q.PENDING_VERIFICATION: [Q.CURRENTLY_DUE, Q.PAST_DUE, Q.SATISFIED, Q.WAIVED, Q.WITHDRAWN],
        # what was met can be asked for again: a paper expires, data changes, a reviewer re-opens
        Q.SATISFIED: [Q.CURRENTLY_DUE, Q.PENDING_VERIFICATION, Q.WITHDRAWN],
        Q.WAIVED: [Q.CURRENTLY_DUE, Q.WITHDRAWN],
        Q.WITHDRAWN: [Q.CURRENTLY_DUE, Q.EVENTUALLY_DUE, Q.PENDING_VERIFICATION, Q.SATISFIED],
    },
    column="state",
)

D = DocumentState
DOCUMENT = machine(
    "document",
    "payouts_document",
    DocumentState,
    {
        "": [D.CREATED],
        D.CREATED: [D.VALIDATION_ASKED],
        D.VALIDATION_ASKED: [D.VALIDATED, D.REFUSED],
        D.VALIDATED: [D.OUT_OF_DATE, D.REFUSED],
    },
    column="state",
)
