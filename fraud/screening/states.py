"""States of parties, hits, policies and passes over the parties, with their allowed moves."""

from django.db import models

from backoffice.kit.states import machine


class PartyState(models.TextChoices):
    DUE = "due", "to be screened"
    CLEAN = "clean", "no open hit"
    HITS = "hits", "hits to judge"
    NOT_SCREENABLE = "not_screenable", "cannot be compared"
    FAILED = "failed", "screening failed"
    ERASED = "erased", "erased"


class HitState(models.TextChoices):
    OPEN = "open", "to be judged"
    WAITING = "waiting", "clearance waits for a second person"
    CLEARED = "cleared", "cleared: somebody else"
    CONFIRMED = "confirmed", "confirmed: the same"
    GONE = "gone", "no longer matches"


class PolicyState(models.TextChoices):
    PROPOSED = "proposed", "waits for a second person"
    IN_FORCE = "in_force", "in force"
    REFUSED = "refused", "refused"
    REPLACED = "replaced", "replaced"


class PassState(models.TextChoices):
    RUNNING = "running", "under way"
    DONE = "done", "done"


P = PartyState
_ANSWERS = [P.CLEAN, P.HITS, P.NOT_SCREENABLE, P.FAILED]
PARTY = machine(
    "screened_party",
    "fraud_party",
    PartyState,
    {
        "": [P.DUE],
        P.DUE: [*_ANSWERS, P.ERASED],
        **{answer: [P.DUE, P.ERASED, *(other for other in _ANSWERS if other != answer)] for answer in _ANSWERS},
    },
    column="state",
)
H = HitState
HIT = machine(
    "screening_hit",
    "fraud_hit",
    HitState,
    {
        "": [H.OPEN],
        H.OPEN: [H.WAITING, H.CLEARED, H.CONFIRMED, H.GONE],
        H.WAITING: [H.OPEN, H.CLEARED, H.CONFIRMED, H.GONE],
        H.CLEARED: [H.OPEN, H.GONE],
        H.CONFIRMED: [H.OPEN, H.GONE],
        H.GONE: [H.OPEN],
    },
    column="state",
)
L = PolicyState
POLICY = machine(
    "screening_policy",
    "fraud_screeningpolicy",
    PolicyState,
    {"": [L.PROPOSED, L.IN_FORCE], L.PROPOSED: [L.IN_FORCE, L.REFUSED], L.IN_FORCE: [L.REPLACED]},
    column="state",
)
S = PassState
PASS = machine("screening_pass", "fraud_screeningpass", PassState, {"": [S.RUNNING], S.RUNNING: [S.DONE]}, column="state")
