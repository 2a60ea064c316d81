"""Who did it: every verb takes an Actor, every row keeps its string."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a machine that acts; `ref` is opaque (a row id), so that no personal data enters the books."""

    kind: str  # staff | partner | system | rail
    ref: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.ref}"

    @property
    def is_person(self) -> bool:
        return self.kind == "staff"

    @classmethod
    def parse(cls, text: str) -> Actor:
        kind, _, ref = text.partition(":")
        return cls(kind, ref)


def staff(user_id: int | None) -> Actor:
    """Name a member of staff; None, which is what nobody's row id is, cannot act."""
    if user_id is None:
        raise ValueError("Only somebody who is signed in can act.")
    return Actor("staff", str(user_id))


def partner(public_id: str) -> Actor:
    return Actor("partner", public_id)


def system(name: str) -> Actor:
    return Actor("system", name)


def rail(name: str) -> Actor:
    return Actor("rail", name)
