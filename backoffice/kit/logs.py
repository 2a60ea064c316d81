"""What logs may say: no row of the database, no account number. Names are kept out by not being logged; these two come by themselves.

PostgreSQL adds the failing row to its errors (DETAIL), and tracebacks print it; account numbers may stand in what others' libraries say.
"""

from __future__ import annotations

import logging
import re

# From its mark to the end of the line; CONTEXT and HINT hold no values of ours.
_ROW = re.compile(r"(?m)^(\s*)DETAIL:.*$")
_IBAN = re.compile(r"\b([A-Z]{2})\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?\b")


def redacted(text: str) -> str:
    """Return a text without rows of the database and account numbers."""
    return _IBAN.sub(r"\1 (account number)", _ROW.sub(r"\1DETAIL: (not logged)", text))


class RedactingFormatter(logging.Formatter):
    """Format a record and its traceback, then take out what no log may hold."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))
