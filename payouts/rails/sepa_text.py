"""Text as SEPA banks take it: the Latin character set of EPC217-08, and identifiers that survive the whole way."""

from __future__ import annotations

import re
import unicodedata

from text_unidecode import unidecode

NAME_MAX = 70
REMITTANCE_MAX = 140
ID_MAX = 35
TOWN_MAX = 35

_OUTSIDE = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]+")
_SPACES = re.compile(r" {2,}")
_ID = re.compile(r"[A-Za-z0-9\-?:().,'+](?:[A-Za-z0-9/\-?:().,'+ ]{0,33}[A-Za-z0-9\-?:().,'+])?")

# What the conversion table of EPC217-08 recommends, where dropping the accent is not enough.
_CONVERSIONS = str.maketrans(
    {
        "&": "+",
        "_": "-",
        '"': "'",
        ";": ",",
        "<": "(",
        ">": ")",
        "[": "(",
        "]": ")",
        "{": "(",
        "}": ")",
        "!": ".",
        "#": ".",
        "%": ".",
        "*": ".",
        "=": ".",
        "@": ".",
        "$": ".",
        "|": "/",
        "\\": "/",
        "`": "'",
        "~": "-",
        "^": ".",
    }
)


def to_sepa_text(text: str) -> str:
    """Return the text in the SEPA Latin set: accents dropped, other scripts romanised, controls and direction marks gone, spaces single."""
    if not text.isascii():
        text = unidecode(unicodedata.normalize("NFKC", text).replace("\u20ac", "EUR"))
    return _SPACES.sub(" ", _OUTSIDE.sub(" ", text.translate(_CONVERSIONS))).strip()


def fit_name(text: str) -> str:
    """Return a name as it fits its field: SEPA text, cut at 70 characters, which is all that travels and all that is verified."""
    return to_sepa_text(text)[:NAME_MAX].rstrip()


def fit_remittance(text: str) -> str:
    """Return a remittance text as it fits its field: SEPA text, cut at 140 characters."""
    return to_sepa_text(text)[:REMITTANCE_MAX].rstrip()


def is_sepa_id(text: str) -> bool:
    """Say whether every bank passes this identifier on unchanged: the SEPA set, 1 to 35 characters, no slash at an end, none doubled."""
    return bool(_ID.fullmatch(text)) and "//" not in text


def to_reference(public_id: str) -> str:
    """Return a public id as an identifier for bank files: the underscore of a TypeID is outside the SEPA set, the hyphen is inside."""
    return public_id.replace("_", "-")


def from_reference(reference: str) -> str:
    """Undo `to_reference`; a TypeID has no hyphen of its own."""
    return reference.replace("-", "_")
