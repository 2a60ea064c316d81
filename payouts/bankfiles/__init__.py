"""Bank files, pure: bytes in, neutral records out. Knows no seller, no payout and no database."""

from payouts.bankfiles.detect import detect
from payouts.bankfiles.errors import UnreadableFile, UnsupportedFormat
from payouts.bankfiles.reader import read
from payouts.bankfiles.records import (
    Balance,
    BankFile,
    EntryDetail,
    Finding,
    Format,
    PaymentInfoStatus,
    PaymentReturn,
    ReturnLine,
    Statement,
    StatementEntry,
    StatusLine,
    StatusReport,
)

__all__ = [
    "Balance",
    "BankFile",
    "EntryDetail",
    "Finding",
    "Format",
    "PaymentInfoStatus",
    "PaymentReturn",
    "ReturnLine",
    "Statement",
    "StatementEntry",
    "StatusLine",
    "StatusReport",
    "UnreadableFile",
    "UnsupportedFormat",
    "detect",
    "read",
]
