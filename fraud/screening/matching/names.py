"""What of a name can be compared: letters of one alphabet, in parts, and how each part sounds.

Transliterated first and stripped afterwards: stripping first turns every Arabic name into the empty text, and empty equals empty.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from anyascii import anyascii

LENGTH_MAX = 500
LETTERS_MIN = 3

# Written without (most) vowels, so romanised texts of the same name agree in their consonants only.
_VOWELLESS = ((0x0590, 0x08FF), (0x0900, 0x0DFF), (0xFB1D, 0xFDFF), (0xFE70, 0xFEFF))
# Read in a way that the letters do not tell: another romanisation of the same name shares little with ours.
_OPAQUE = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1100, 0x11FF),  # Hangul
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0xA4CF),  # Han, Kana, Bopomofo, Yi
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
# Inside a word these are decoration, a romanised glottal stop, or what is left of a letter that some system could not store.
_INSIDE = re.compile(r"(?<=\w)[?�](?=\w)|[’‘'`´ʼʻʾʿ′＇]")
_AYN = re.compile(r"(?<!\w)`(?=\w)")
_DOTTED = re.compile(r"\b(?:[^\W\d_]\.){2,}", re.UNICODE)
_NOT_NAME = re.compile(r"[^a-z0-9]+")
_SYLLABLE = re.compile(r"(?<=[a-z])(?=[A-Z])")

# One spelling for what is written in many: legal forms, particles, titles. They say little about who somebody is.
_SAME = {
    "ltd": "ltd limited ltda limitada",
    "inc": "inc incorporated",
    "corp": "corp corporation",
    "co": "co company compagnie compania cie comp",
    "ag": "ag aktiengesellschaft",
    "jsc": "jsc ojsc pjsc cjsc ao oao pao zao",
    "llc": "llc ooo",
    "assoc": "assoc association",
    "intl": "intl international",
    "org": "org organization organisation",
    "al": "al el ul ad as ash an ar at az ur us",
    "bin": "bin ibn ben bn b",
    "bint": "bint binti bt",
    "abu": "abu abou abo ebu",
    "mawlawi": "mawlawi maulavi maulawi mawlavi molvi moulavi",
    "hajji": "haji hajji hadji hajj",
    "sheikh": "sheikh shaykh shaikh sheik cheikh",
    "mullah": "mullah mulla molla mollah",
}
# Legal forms in full, as lists write them, and the letters that everybody else writes.
_IN_FULL = {
    "jsc": "open joint stock company|public joint stock company|closed joint stock company|joint stock company|otkrytoe aktsionernoe obshchestvo|"
    "publichnoe aktsionernoe obshchestvo|zakrytoe aktsionernoe obshchestvo|aktsionernoe obshchestvo",
    "llc": "limited liability company|obshchestvo s ogranichennoi otvetstvennostyu|obshchestvo s ogranichennoy otvetstvennostyu",
    "plc": "public limited company",
    "gmbh": "gesellschaft mit beschrankter haftung",
    "sa": "societe anonyme|sociedad anonima|sociedade anonima",
    "sarl": "societe a responsabilite limitee",
    "sas": "societe par actions simplifiee",
    "spa": "societa per azioni",
    "srl": "societa a responsabilita limitata|societatea cu raspundere limitata|sociedad de responsabilidad limitada",
    "nv": "naamloze vennootschap",
    "bv": "besloten vennootschap",
}
_LETTERS_OF = {phrase: letters for letters, phrases in _IN_FULL.items() for phrase in phrases.split("|")}
_PHRASE = re.compile(r"\b(?:" + "|".join(sorted(_LETTERS_OF, key=len, reverse=True)) + r")\b")
_CANON = {word: canon for canon, words in _SAME.items() for word in words.split()}
FORMS = frozenset(
    "ltd inc corp co ag ges soc llc llp lp plc gmbh kg ohg sa sas sarl spa srl sl bv nv ab oy aps kft sro doo ooo oao zao pao ao jsc pjsc ojsc "
    "cjsc pte pty pvt sdn bhd fze fzc fzco fzllc dmcc psc est bros intl assoc org group holding holdings trading the and of for".split()
)
PARTICLES = frozenset(
    "al bin bint abu umm von van der den de di da do dos das della del du des la le ter y e und ould walad wald zu".split()
)
TITLES = frozenset("mr mrs miss dr prof sir hajji sheikh mullah mawlawi jr general colonel".split())


def canon(part: str) -> str:
    """Return the one spelling of a legal form, particle or title; other parts as they are."""
    return _CANON.get(part, part)


@dataclass(frozen=True, slots=True)
class Name:
    """A name as it is compared. `problem` is '' or the code of why no answer of ours could mean "clean"."""

    parts: tuple[str, ...]
    vowelless: bool
    problem: str

    @property
    def joined(self) -> str:
        return "".join(self.parts)


PROBLEMS = {
    "no_letters": "Nothing of this name is left that could be compared: it has no letters.",
    "too_short": f"The name has fewer than {LETTERS_MIN} letters: it would resemble everything or nothing.",
    "too_long": f"The name is longer than {LENGTH_MAX} characters: this is no name.",
    "script_not_comparable": "The name is written in a script whose letters do not tell how others romanise it. Ask for the name as in the passport.",
}


@lru_cache(maxsize=65_536)
def read_name(text: str) -> Name:
    """Return a name in comparable form. Never raises: what cannot be compared says so in `problem`."""
    if len(text) > LENGTH_MAX:
        return Name((), False, "too_long")
    plain = unicodedata.normalize("NFKC", text)
    opaque = any(_in(char, _OPAQUE) for char in plain)
    vowelless = any(_in(char, _VOWELLESS) for char in plain)
    parts = _parts(plain, opaque, vowelless)
    letters = sum(char.isalpha() for part in parts for char in part)
    problem = ""
    if not letters:
        problem = "no_letters"
    elif letters < LETTERS_MIN:
        problem = "too_short"
    elif opaque:
        problem = "script_not_comparable"
    return Name(parts, vowelless, problem)


def _parts(plain: str, opaque: bool, vowelless: bool) -> tuple[str, ...]:
    plain = _DOTTED.sub(lambda found: found.group().replace(".", "") if len(found.group()) > 5 else found.group(), plain)
    letters = anyascii(_INSIDE.sub("", plain))
    if vowelless:
        letters = _AYN.sub("a", letters)
    letters = _INSIDE.sub("", letters)
    if opaque:
        letters = _SYLLABLE.sub(" ", letters)
    words = " ".join(_NOT_NAME.sub(" ", letters.lower()).split())
    shortened = _PHRASE.sub(lambda found: _LETTERS_OF[found.group()], words)
    # who is called nothing but a legal form keeps it
    return tuple((shortened if " " in shortened else words).split())


def _in(char: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    point = ord(char)
    return point >= 0x0590 and any(low <= point <= high for low, high in ranges)


# --- how a part sounds --------------------------------------------------------------------------------------------------

# Longest first. What languages that borrowed the Latin alphabet write for the same sound.
_SOUNDS = [
    ("tsch", "c"), ("shch", "s"), ("sch", "s"), ("tch", "c"), ("dzh", "j"), ("dsch", "j"), ("sh", "s"), ("ch", "c"), ("zh", "j"), ("dj", "j"),
    ("kh", "h"), ("gh", "g"), ("dh", "d"), ("th", "t"), ("ph", "f"), ("ck", "k"), ("ts", "s"), ("tz", "s"), ("cz", "c"), ("cs", "c"),
    ("ou", "u"), ("oo", "u"), ("ee", "i"), ("ie", "i"), ("ei", "ai"), ("ey", "ai"), ("ay", "ai"), ("iy", "i"), ("yy", "i"), ("ij", "i"),
    ("yu", "iu"), ("ya", "ia"), ("ye", "e"), ("ae", "a"), ("oe", "o"), ("ue", "u"),
    ("q", "k"), ("x", "ks"), ("w", "v"), ("z", "s"), ("y", "i"), ("e", "i"), ("o", "u"),
]  # fmt: skip
_SOUND_OF = dict(_SOUNDS)
_SOUND = re.compile("|".join(re.escape(written) for written, _ in _SOUNDS))
_DOUBLE = re.compile(r"(.)\1+")
_VOWELS = re.compile(r"[aeiouy]")
_SEMIVOWELS = re.compile(r"[aeiouywvh]")


@lru_cache(maxsize=131_072)
def sound_of(part: str) -> str:
    """Return a part as it sounds: 'mohammed', 'muhammad' and 'mouhamed' come close to each other."""
    heard = _SOUND.sub(lambda found: _SOUND_OF[found.group()], _DOUBLE.sub(r"\1", part))
    heard = heard.replace("c", "k") if "c" in heard and not any(two in part for two in ("ch", "cz", "cs")) else heard
    return _DOUBLE.sub(r"\1", heard)


@lru_cache(maxsize=131_072)
def skeleton_of(part: str) -> str:
    """Return the first letter and the consonants of a part as it sounds: 'mhmd' of every Mohammed."""
    return _DOUBLE.sub(r"\1", consonants_of(part))


@lru_cache(maxsize=131_072)
def consonants_of(part: str) -> str:
    """Return the first letter and every consonant of a part as it sounds, repeated ones too."""
    heard = sound_of(part)
    return heard[:1] + _VOWELS.sub("", heard[1:])


@lru_cache(maxsize=131_072)
def bones_of(part: str) -> str:
    """Return what vowelless scripts and their romanisations surely share: the consonants, whether a vowel begins it, and a final i."""
    heard = sound_of(part)
    first = "a" if heard[0] in "aiu" else ""
    last = "i" if heard[-1] == "i" else ""
    return first + _DOUBLE.sub(r"\1", _SEMIVOWELS.sub("", heard)) + last
