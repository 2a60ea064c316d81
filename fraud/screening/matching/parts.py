"""How alike two parts of names are: typing slips, spellings of one sound, initials."""

from __future__ import annotations

from functools import lru_cache

from rapidfuzz.distance import OSA

from fraud.screening.matching.names import bones_of, canon, consonants_of, skeleton_of, sound_of

ALIKE_MIN = 0.70
SAME_SKELETON, LOOSE_SKELETON = 0.82, 0.72
SAME_SOUND, HEARD_SHARE = 0.97, 0.95
SAME_BONES, FEW_BONES, VOWELLESS_MIN = 0.90, 0.75, 0.80
SHORT_SKELETON = 0.72
INITIAL = 0.75
_SHORT = 3


@lru_cache(maxsize=262_144)
def likeness(one: str, other: str) -> float:
    """Return 0 (nothing in common) to 1 (the same), symmetric. Below ALIKE_MIN it is 0: half a likeness is none."""
    if one == other or canon(one) == canon(other):
        return 1.0
    if len(one) == 1 or len(other) == 1:
        return INITIAL if one[0] == other[0] else 0.0
    if one.isdigit() or other.isdigit():
        return 0.0  # numbers in names of companies are their identity
    longer, shorter = (len(one), len(other)) if len(one) > len(other) else (len(other), len(one))
    heard_one, heard_other = sound_of(one), sound_of(other)
    if longer <= _SHORT:
        return _short_likeness(one, other)
    alike = OSA.normalized_similarity(one, other) if shorter >= ALIKE_MIN * longer else 0.0
    if heard_one == heard_other:
        return max(alike, SAME_SOUND)
    alike = max(alike, HEARD_SHARE * OSA.normalized_similarity(heard_one, heard_other))
    if alike < SAME_SKELETON:
        bones = skeleton_of(one)
        if len(bones) >= 3 and bones == skeleton_of(other):
            # "teterin" and "tyurine" share their consonants only where a repeated one counts once
            alike = max(alike, SAME_SKELETON if consonants_of(one) == consonants_of(other) else LOOSE_SKELETON)
    return alike if alike >= ALIKE_MIN else 0.0


def _short_likeness(one: str, other: str) -> float:
    """Compare parts of two or three letters, in which one slip is a third of all there is: only sound counts."""
    if sound_of(one) == sound_of(other):
        return 0.9
    bones = skeleton_of(one)
    return SHORT_SKELETON if len(one) == len(other) == _SHORT and len(bones) == 2 and bones == skeleton_of(other) else 0.0


@lru_cache(maxsize=65_536)
def mixed_likeness(one: str, other: str) -> float:
    """Compare parts of which one comes from a script without vowels."""
    bones = bones_of(one)
    if bones and bones == bones_of(other):
        return SAME_BONES if len(bones) >= 3 else FEW_BONES
    return vowelless_likeness(one, other)


def vowelless_likeness(one: str, other: str) -> float:
    """Compare parts from scripts without vowels: fewer letters, so each counts for more."""
    alike = likeness(one, other)
    return alike if alike >= VOWELLESS_MIN else 0.0
