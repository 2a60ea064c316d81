"""Why a transfer was refused or came back, and what is done about it: ISO 20022 external reason codes as data.

A code that stands here may change a payee account or stop a run; one that does not is given to a person, and nothing is sent again.
Meanings: ISO 20022 external code sets (status, return and cancellation reasons). Actions: reference of this product's rails.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

PayeeState = Literal["invalid", "closed", "blocked", "ineligible", "needs_data"]


class Action(StrEnum):
    """What the code asks for, besides booking the money back."""

    REVERSE = "reverse"
    HOLD_RUN = "hold_run"
    FREEZE_SELLER = "freeze_seller"
    FIX_DATA = "fix_data"
    RETRY_ONCE_MANUALLY = "retry_once_manually"
    COMPLIANCE_CASE = "compliance_case"
    INCIDENT = "incident"
    ENGINEERING = "engineering"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class ReasonRule:
    """One code. `permanent`: never sent again to the same account details. `payee_state`: what the payee account becomes, None for no change."""

    code: str
    meaning: str
    permanent: bool
    payee_state: PayeeState | None
    action: Action
    seller_text: str
    operator_text: str


_NEW_ACCOUNT = "Your bank account could not be paid. Please enter another account; the money is back in your balance."
_CHECK_DATA = "Your bank wants your name and address as it knows them. Please check them; the money is back in your balance."
_OUR_SIDE = "The payout did not go through for a reason on our side. Nothing is needed from you; the money is in your balance."
_LATER = "Your bank did not take the payout this time. The money is back in your balance and we are looking into it."
_CLOSED_TALK = "The payout could not be made. We will write to you; the money is kept in your balance."


def _rule(
    code: str, meaning: str, permanent: bool, payee_state: PayeeState | None, action: Action, seller: str, operator: str
) -> ReasonRule:
    return ReasonRule(code, meaning, permanent, payee_state, action, seller, operator)


_RULES = (
    # the payee's account
    _rule(
        "AC01",
        "incorrect account number",
        True,
        "invalid",
        Action.REVERSE,
        _NEW_ACCOUNT,
        "The account number is wrong. Ask the seller for a new account; do not send again.",
    ),
    _rule(
        "AC03",
        "invalid creditor account number",
        True,
        "invalid",
        Action.REVERSE,
        _NEW_ACCOUNT,
        "The account number is wrong. Ask the seller for a new account; do not send again.",
    ),
    _rule(
        "AC04",
        "account closed",
        True,
        "closed",
        Action.REVERSE,
        "Your bank account is closed. Please enter another account; the money is back in your balance.",
        "The account is closed. Never send to it again; ask the seller for a new account.",
    ),
    _rule(
        "AC07",
        "creditor account closed",
        True,
        "closed",
        Action.REVERSE,
        "Your bank account is closed. Please enter another account; the money is back in your balance.",
        "The account is closed. Never send to it again; ask the seller for a new account.",
    ),
    _rule(
        "AC06",
        "account blocked",
        True,
        "blocked",
        Action.COMPLIANCE_CASE,
        _NEW_ACCOUNT,
        "The account is blocked at the bank. Compliance looks at the seller before anything is paid.",
    ),
    _rule(
        "AC14",
        "account type does not take this payment",
        True,
        "ineligible",
        Action.REVERSE,
        _NEW_ACCOUNT,
        "The kind of account (a savings account, say) takes no transfers. Ask for another.",
    ),
    _rule(
        "AG01",
        "transaction forbidden on this account",
        True,
        "ineligible",
        Action.REVERSE,
        _NEW_ACCOUNT,
        "The account takes no transfers. Ask the seller for another.",
    ),
    _rule(
        "AG02",
        "invalid bank operation code",
        True,
        "ineligible",
        Action.REVERSE,
        _NEW_ACCOUNT,
        "The account does not take this kind of transfer. Ask the seller for another.",
    ),
    _rule(
        "BE05",
        "party unknown to its bank",
        True,
        "invalid",
        Action.REVERSE,
        _NEW_ACCOUNT,
        "The bank does not know the payee. Ask the seller for a new account.",
    ),
    _rule(
        "BE06",
        "customer unknown at this account",
        True,
        "invalid",
        Action.REVERSE,
        _NEW_ACCOUNT,
        "The bank does not know the payee at this account. Ask the seller for a new account.",
    ),
    # the payee's data
    _rule(
        "BE01",
        "name does not belong to the account",
        True,
        "needs_data",
        Action.FIX_DATA,
        _CHECK_DATA,
        "Account and name do not match. Have the seller confirm the account holder; treat it as a payee change.",
    ),
    _rule(
        "BE04",
        "creditor address missing or wrong",
        False,
        "needs_data",
        Action.FIX_DATA,
        _CHECK_DATA,
        "Complete town and country of the payee; then it may be sent again.",
    ),
    _rule(
        "BE07",
        "debtor address missing or wrong",
        False,
        None,
        Action.ENGINEERING,
        _OUR_SIDE,
        "Our own address in the file is missing or wrong. Correct the bank profile, then it may be sent again.",
    ),
    _rule(
        "RR02",
        "debtor name or address missing",
        False,
        "needs_data",
        Action.FIX_DATA,
        _CHECK_DATA,
        "Name or address is incomplete. Complete it; then it may be sent again.",
    ),
    _rule(
        "RR03",
        "creditor name or address missing",
        False,
        "needs_data",
        Action.FIX_DATA,
        _CHECK_DATA,
        "Name or address of the payee is incomplete. Complete it; then it may be sent again.",
    ),
    _rule(
        "RC01",
        "bank identifier incorrect",
        True,
        "needs_data",
        Action.FIX_DATA,
        "Your bank could not be found by its code (BIC). Please check your account; the money is back in your balance.",
        "The BIC resolves to no bank. Correct it with the seller, or choose another rail.",
    ),
    _rule(
        "RC04",
        "creditor's bank identifier incorrect",
        True,
        "needs_data",
        Action.FIX_DATA,
        "Your bank could not be found by its code (BIC). Please check your account; the money is back in your balance.",
        "The BIC resolves to no bank. Correct it with the seller, or choose another rail.",
    ),
    _rule(
        "RC07",
        "creditor's BIC incorrect",
        True,
        "needs_data",
        Action.FIX_DATA,
        "Your bank could not be found by its code (BIC). Please check your account; the money is back in your balance.",
        "The BIC resolves to no bank. Correct it with the seller, or choose another rail.",
    ),
    _rule(
        "CNOR",
        "creditor's bank not reachable in this scheme",
        True,
        "needs_data",
        Action.FIX_DATA,
        _NEW_ACCOUNT,
        "The payee's bank is not in the scheme. Choose another rail or another account.",
    ),
    # the payee
    _rule(
        "MD07",
        "payee deceased",
        True,
        "blocked",
        Action.FREEZE_SELLER,
        _CLOSED_TALK,
        "The payee has died. The seller is frozen; compliance takes over.",
    ),
    _rule(
        "RR01",
        "account or identification of the debtor missing (regulatory)",
        True,
        None,
        Action.COMPLIANCE_CASE,
        _CLOSED_TALK,
        "A regulatory reason. Compliance decides; do not send again.",
    ),
    _rule(
        "RR04",
        "regulatory reason",
        True,
        None,
        Action.COMPLIANCE_CASE,
        _CLOSED_TALK,
        "A regulatory reason. Compliance decides; do not send again.",
    ),
    # our side
    _rule(
        "AM04",
        "our funds do not suffice",
        False,
        None,
        Action.HOLD_RUN,
        _OUR_SIDE,
        "Our account is short. The whole run waits; treasury funds the account.",
    ),
    _rule(
        "AM02",
        "amount not allowed",
        True,
        None,
        Action.ENGINEERING,
        _OUR_SIDE,
        "The bank does not take this amount on this rail. Split the payout or choose another rail.",
    ),
    _rule(
        "AM03",
        "currency not allowed on this account",
        True,
        None,
        Action.ENGINEERING,
        _OUR_SIDE,
        "The bank does not take this currency from our account. Nothing was paid.",
    ),
    _rule(
        "AM05",
        "duplicate",
        True,
        None,
        Action.INCIDENT,
        _OUR_SIDE,
        "The bank says it has seen this payment. Stop the run and find out whether it was paid before anything else.",
    ),
    _rule(
        "DUPL",
        "duplicate file",
        True,
        None,
        Action.INCIDENT,
        _OUR_SIDE,
        "The bank says it has seen this file. Stop the run and find out what it paid before anything else.",
    ),
    _rule(
        "AM09",
        "wrong amount",
        True,
        None,
        Action.INCIDENT,
        _OUR_SIDE,
        "The amount received is not the amount agreed. Stop and compare file and statement.",
    ),
    _rule(
        "AM10",
        "control sum wrong",
        False,
        None,
        Action.ENGINEERING,
        _OUR_SIDE,
        "The bank adds the file up differently. Nothing was paid; engineering looks at the file.",
    ),
    _rule(
        "AM18",
        "number of transactions wrong",
        False,
        None,
        Action.ENGINEERING,
        _OUR_SIDE,
        "The bank counts the file differently. Nothing was paid; engineering looks at the file.",
    ),
    _rule(
        "AC02",
        "our account number is not known to the bank",
        False,
        None,
        Action.ENGINEERING,
        _OUR_SIDE,
        "The bank does not know the account we pay from. Nothing was paid; check the bank profile.",
    ),
    _rule(
        "DNOR",
        "our bank not reachable in this scheme",
        False,
        None,
        Action.ENGINEERING,
        _OUR_SIDE,
        "Our bank is not reachable in this scheme. Nothing was paid; check the rail.",
    ),
    _rule(
        "DT01",
        "invalid date",
        False,
        None,
        Action.ENGINEERING,
        _OUR_SIDE,
        "The execution date is not usable. Nothing was paid; check calendar and cut-off.",
    ),
    _rule(
        "ED05",
        "settlement failed",
        False,
        None,
        Action.ENGINEERING,
        _OUR_SIDE,
        "Settlement between the banks failed. Nothing was paid; engineering and the bank look.",
    ),
    _rule(
        "FF01",
        "file syntax wrong",
        False,
        None,
        Action.ENGINEERING,
        _OUR_SIDE,
        "The bank cannot read the file. Nothing was paid; engineering looks at the file.",
    ),
    _rule(
        "FF05",
        "local instrument wrong",
        False,
        None,
        Action.ENGINEERING,
        _OUR_SIDE,
        "The bank does not take this service level. Nothing was paid; check the bank profile.",
    ),
    _rule(
        "TM01",
        "after the cut-off",
        False,
        None,
        Action.RETRY_ONCE_MANUALLY,
        _LATER,
        "The file came after the cut-off. It may be sent once more, for the next business day.",
    ),
    # no reason given, or the way was shut for the moment
    _rule(
        "MS02",
        "no reason given by the payee",
        False,
        None,
        Action.RETRY_ONCE_MANUALLY,
        _LATER,
        "The payee gave no reason. One manual retry; then ask the seller for a new account.",
    ),
    _rule(
        "MS03",
        "no reason given by the bank",
        False,
        None,
        Action.RETRY_ONCE_MANUALLY,
        _LATER,
        "The bank gives no reason. One manual retry; then ask the seller for a new account.",
    ),
    _rule(
        "AB05",
        "instant: time-out at the payee's bank",
        False,
        None,
        Action.RETRY_ONCE_MANUALLY,
        _LATER,
        "The payee's bank did not answer in time and nothing was paid. One manual retry.",
    ),
    _rule(
        "AB06",
        "instant: time-out on the way",
        False,
        None,
        Action.RETRY_ONCE_MANUALLY,
        _LATER,
        "The transfer timed out on the way and nothing was paid. One manual retry.",
    ),
    _rule(
        "AB08",
        "instant: the payee's bank is offline",
        False,
        None,
        Action.RETRY_ONCE_MANUALLY,
        _LATER,
        "The payee's bank is offline and nothing was paid. One manual retry.",
    ),
    # recalls: what became of asking the money back
    _rule(
        "FOCR",
        "came back because we asked for it",
        True,
        None,
        Action.COMPLIANCE_CASE,
        _CLOSED_TALK,
        "The answer to our recall. Close the recall case; do not send again before it is closed.",
    ),
    _rule(
        "TECH",
        "came back because of a technical problem",
        True,
        None,
        Action.COMPLIANCE_CASE,
        _CLOSED_TALK,
        "Recalled for a technical error. Close the recall case; do not send again before it is closed.",
    ),
    _rule(
        "FRAD",
        "came back as fraudulent",
        True,
        "blocked",
        Action.COMPLIANCE_CASE,
        _CLOSED_TALK,
        "Recalled as fraud. Compliance decides; nothing is paid to this account.",
    ),
    _rule(
        "CUST",
        "came back because the customer asked for it",
        True,
        None,
        Action.COMPLIANCE_CASE,
        _CLOSED_TALK,
        "Recalled at a customer's wish. Close the recall case; do not send again before it is closed.",
    ),
)

REASON_RULES: dict[str, ReasonRule] = {rule.code: rule for rule in _RULES}

UNKNOWN = ReasonRule(
    "UNKNOWN",
    "a reason this product has no rule for",
    True,
    None,
    Action.ASK,
    _LATER,
    "The bank gives a reason without a rule here. Read its text, ask the bank if need be, and decide; nothing is sent again by itself.",
)


def rule_for(code: str | None) -> ReasonRule:
    """Return the rule of a reason code as the bank wrote it; `UNKNOWN` for none, an unlisted one, or the bank's own."""
    return REASON_RULES.get((code or "").strip().upper(), UNKNOWN)
