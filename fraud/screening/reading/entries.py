"""What every list is made of, and what no list may be."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from babel import Locale

from backoffice.kit.errors import InputError

ENTRIES_MAX = 500_000
NAMES_PER_ENTRY_MAX = 1_000
TEXT_MAX = 2_000
KINDS = ("person", "entity", "vessel", "aircraft", "unknown")


class UnreadableList(InputError):
    code = "list_unreadable"
    sentence = "This is no usable list: {detail}{place}."

    def __init__(self, detail: str, *, place: str = "") -> None:
        super().__init__(detail=detail, place=f" ({place})" if place else "")


@dataclass(slots=True)
class ReadEntry:
    """One person, company or vessel of a list. `aliases` are (text, weak); births are ISO days or years; countries are ISO codes where known."""

    source_id: str
    kind: str = "unknown"
    name: str = ""
    aliases: list[tuple[str, bool]] = field(default_factory=list)
    births: list[str] = field(default_factory=list)
    countries: list[str] = field(default_factory=list)
    identifiers: list[str] = field(default_factory=list)
    programmes: list[str] = field(default_factory=list)

    def add_name(self, text: str, *, weak: bool = False) -> None:
        """Add a name; some publishers write several into one field, separated by semicolons."""
        for part in text.split(";"):
            shown = " ".join(part.split())[:TEXT_MAX]
            if not shown or shown == self.name or any(shown == known for known, _ in self.aliases):
                continue
            if not self.name:
                self.name = shown
            else:
                self.aliases.append((shown, weak))

    def checked(self, place: str) -> ReadEntry:
        """Return the entry with its facts in order. Raises UnreadableList."""
        if not self.source_id or len(self.source_id) > 120:
            raise UnreadableList("an entry has no id, or one longer than 120 characters", place=place)
        if not self.name:
            raise UnreadableList(f"the entry {self.source_id} has no name", place=place)
        if len(self.aliases) > NAMES_PER_ENTRY_MAX:
            raise UnreadableList(f"the entry {self.source_id} has more than {NAMES_PER_ENTRY_MAX} names", place=place)
        self.aliases.sort()
        for facts in (self.births, self.countries, self.identifiers, self.programmes):
            facts[:] = sorted({fact[:200] for fact in facts if fact})
        return self

    def fingerprint(self) -> str:
        """Return what changes exactly when the content does, whatever order the publisher wrote it in."""
        content = [self.kind, self.name, self.aliases, self.births, self.countries, self.identifiers, self.programmes]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


@lru_cache(maxsize=1)
def _country_codes() -> dict[str, str]:
    names = Locale("en").territories
    codes = {name.casefold(): code for code, name in names.items() if len(code) == 2 and code.isalpha()}
    more = "russia=RU iran=IR syria=SY north korea=KP south korea=KR burma=MM ivory coast=CI cape verde=CV vietnam=VN laos=LA bolivia=BO"
    codes |= {pair.rpartition("=")[0]: pair[-2:] for pair in re.findall(r"[a-z ]+=[A-Z]{2}", more)}
    codes |= {pair[0].strip().casefold(): pair[1] for pair in _OFFICIAL}
    return {name.strip(): code for name, code in codes.items()}


_OFFICIAL = (
    ("Russian Federation", "RU"), ("Iran (Islamic Republic of)", "IR"), ("Islamic Republic of Iran", "IR"), ("Syrian Arab Republic", "SY"),
    ("Democratic People's Republic of Korea", "KP"), ("Korea, North", "KP"), ("Republic of Korea", "KR"), ("Korea, South", "KR"),
    ("Democratic Republic of the Congo", "CD"), ("Congo, Democratic Republic of the", "CD"), ("Libyan Arab Jamahiriya", "LY"),
    ("United Kingdom of Great Britain and Northern Ireland", "GB"), ("United Republic of Tanzania", "TZ"), ("Viet Nam", "VN"),
    ("Republic of Moldova", "MD"), ("Czech Republic", "CZ"), ("Turkey", "TR"), ("State of Palestine", "PS"), ("Palestinian", "PS"),
    ("The Gambia", "GM"), ("Bosnia and Herzegovina", "BA"), ("United States of America", "US"), ("West Bank", "PS"), ("Gaza", "PS"),
)  # fmt: skip


def country_code(text: str) -> str:
    """Return the ISO code of a country as lists name it, or '' of what is none."""
    plain = " ".join(text.split())
    if len(plain) == 2 and plain.isalpha():
        return plain.upper()
    return _country_codes().get(plain.casefold(), "")


def country_codes(texts: Iterable[str]) -> list[str]:
    return [code for text in texts if (code := country_code(text))]


_DAY = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
_YEAR = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")


def births_in(text: str) -> list[str]:
    """Return the ISO days in a text, or its years where it has no day."""
    return ["-".join(found) for found in _DAY.findall(text)] or _YEAR.findall(text)


def identifier(text: str) -> str:
    """Return an identifier as it is compared: letters and digits only; '' of what is too short to tell anything."""
    plain = "".join(char for char in text.upper() if char.isalnum())
    return plain if len(plain) >= 5 and any(char.isdigit() for char in plain) else ""
