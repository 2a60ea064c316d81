"""What later rooms and other wings plug into compliance; wired in plugs.py and by the wings themselves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DatabaseError, transaction

from backoffice.kit.errors import Refusal
from backoffice.kit.transactions import in_transaction

logger = logging.getLogger(__name__)

# What screening may say of a party; only `clean` satisfies. Missing, failed and not screenable are never clean.
CLEAN, HITS, NEVER_SCREENED, FAILED = "clean", "hits", "never_screened", "failed"


@dataclass
class Screening:
    """The sanctions screening of another wing. `standing(subject)` answers its state; `screen(...)` looks now and answers the state.

    Unplugged, or when it crashes, everything counts as not screened: a new seller then waits.
    """

    standing_of: Callable[[str], str] | None = None
    screen_now: Callable[..., str] | None = None
    hits_of: Callable[[str], Sequence[Mapping[str, Any]]] | None = None

    def plug(
        self,
        *,
        standing: Callable[[str], str],
        screen: Callable[..., str],
        hits: Callable[[str], Sequence[Mapping[str, Any]]] | None = None,
    ) -> None:
        self.standing_of, self.screen_now, self.hits_of = standing, screen, hits

    def unplug(self) -> None:
        self.standing_of = self.screen_now = self.hits_of = None

    def standing(self, subject: str) -> str:
        """Return what the last screening of a subject said."""
        return self._asked(self.standing_of, subject) if self.standing_of else NEVER_SCREENED

    def screen(self, **facts: Any) -> str:
        """Screen a party now; facts as fraud.screening.operations.screen_party takes them."""
        return self._asked(self.screen_now, **facts) if self.screen_now else NEVER_SCREENED

    def hits(self, subject: str) -> Sequence[Mapping[str, Any]]:
        """Return the hits a reviewer has to look at: rows with `list`, `name`, `score` and `state`."""
        return self.hits_of(subject) if self.hits_of else []

    def _asked(self, ask: Callable[..., str], *args: Any, **facts: Any) -> str:
        """Ask under a savepoint, since an error of the database would spoil the caller's transaction; whatever else is wrong there is ours to see."""
        try:
            if not in_transaction():
                return str(ask(*args, **facts))
            with transaction.atomic():
                return str(ask(*args, **facts))
        except (Refusal, DatabaseError, ArithmeticError, LookupError, TypeError, ValueError, OSError):
            logger.exception("screening could not be asked")
            return FAILED


@dataclass
class Volumes:
    """What sellers sold. `of(seller_ids, since, until)` answers {seller id: (number of sales, gross minor units in the seller's currency)}.

    `refunds(...)` answers the gross of refunds and chargebacks, without sign.
    """

    of: Callable[[Sequence[int], datetime, datetime], dict[int, tuple[int, int]]] = lambda ids, since, until: {}
    refunds: Callable[[Sequence[int], datetime, datetime], dict[int, int]] = lambda ids, since, until: {}

    def plug(
        self,
        of: Callable[[Sequence[int], datetime, datetime], dict[int, tuple[int, int]]],
        refunds: Callable[[Sequence[int], datetime, datetime], dict[int, int]],
    ) -> None:
        self.of, self.refunds = of, refunds


screening = Screening()
volumes = Volumes()
