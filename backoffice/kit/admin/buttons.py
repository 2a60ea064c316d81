"""Buttons as data: which verb, in which states, which permission, what to ask, what will move.

A button never acts on GET: it leads to a confirm page, and that page posts, with the site's token and one idempotency key. Limits and four eyes
live in the verb; here is only who may see the button and when it is legal.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django import forms
from django.apps import apps
from django.db import DatabaseError, models, transaction

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.idempotency import IdempotencyRecord, recall
from backoffice.kit.money import MoneyError

logger = logging.getLogger(__name__)

Effect = list[tuple[str, Any]]


class UnknownPermission(RuntimeError):
    """A button names a permission nobody declared; it would be shown to nobody, or checked by nobody."""


@functools.cache
def _declared_by_models() -> frozenset[str]:
    found = set()
    for model in apps.get_models():
        meta = model._meta
        found |= {f"{meta.app_label}.{codename}" for codename, _ in meta.permissions}
        found |= {f"{meta.app_label}.{action}_{meta.model_name}" for action in meta.default_permissions}
    return frozenset(found)


_declared: set[str] = set()


def declare_permissions(names: Iterable[str]) -> None:
    """Make known permissions that no model declares; call before the buttons that use them are made."""
    _declared.update(names)


def known_permission(name: str) -> bool:
    return name in _declared or name in _declared_by_models()


@dataclass(frozen=True)
class Button:
    """One thing an operator may do, as data.

    `verb` is called with `arguments(row, asked)` plus actor, key and at, as far as it takes them; `row` is None for buttons of a list. A
    button is legal in `states` (of `state_field`) and when `when(row)` says so. `effect(row)` answers (what, value) rows for the confirm page.
    `then(row, result)` answers where to go afterwards, else one goes back to where one came from. `reveal(row, result)` answers a secret that
    is shown in the answer to this one press and kept nowhere.
    """

    name: str
    label: str
    verb: Callable[..., Any]
    permission: str
    arguments: Callable[[Any, dict[str, Any]], dict[str, Any]]
    states: Collection[str] = ()
    state_field: str = "status"
    when: Callable[[Any], bool] | None = None
    fields: Callable[[Any], dict[str, forms.Field]] | None = None
    effect: Callable[[Any], Effect] | None = None
    explain: str = ""
    danger: bool = False
    bulk: bool = False
    icon: str = ""
    done: Callable[[Any, Any], str] | str = "Done."
    then: Callable[[Any, Any], str | None] | None = None
    reveal: Callable[[Any, Any], str] | None = None
    order: int = 50

    def __post_init__(self) -> None:
        if not known_permission(self.permission):
            raise UnknownPermission(f"Button {self.name!r}: nobody declares the permission {self.permission!r}.")

    def legal(self, row: Any) -> bool:
        if self.states and getattr(row, self.state_field) not in {str(state) for state in self.states}:
            return False
        return self.when is None or bool(self.when(row))

    def permitted(self, user: Any) -> bool:
        return bool(user.has_perm(self.permission))

    def form(self, row: Any, data: Any = None, files: Any = None) -> forms.Form:
        form = forms.Form(data=data, files=files)
        if self.fields is not None:
            form.fields.update(self.fields(row))
        return form


@dataclass(slots=True)
class Outcome:
    """What a press did: `sentence` for the operator; `address` to go to, if the button says so; `refused` when nothing happened."""

    sentence: str
    address: str | None = None
    refused: bool = False
    replayed: bool = False
    secret: str = ""


@dataclass(slots=True)
class Press:
    """One press of one button by one person: the key makes a second press of the same confirm form harmless."""

    button: Button
    row: Any
    asked: dict[str, Any]
    actor: Actor
    key: str
    at: datetime
    request_id: str = ""
    _content: dict[str, Any] = field(default_factory=dict)

    def run(self) -> Outcome:
        """Call the verb, once per key; a refusal comes back as its sentence, and nothing is half done."""
        try:
            if getattr(self.button.verb, "intention", "") == "durable":
                return self._run_durable()
            return self._run_composable()
        except Refusal as refusal:
            return Outcome(str(refusal), refused=True)
        except MoneyError as error:
            return Outcome(error.sentence, refused=True)
        except DatabaseError:
            logger.exception("button %s was refused by the database", self.button.name)
            return Outcome(
                f"Nothing was done: the database refused it or was too busy. Try again; if it stays, name {self.request_id} "
                "to whoever runs this system.",
                refused=True,
            )

    def _run_composable(self) -> Outcome:
        with transaction.atomic():
            memory = recall(scope=self._scope, key=self.key, content=self._fingerprint())
            if memory.outcome is not None:
                return Outcome(**memory.outcome, replayed=True)
            outcome = self._call()
            memory.keep({"sentence": outcome.sentence, "address": outcome.address})
            return outcome

    def _run_durable(self) -> Outcome:
        earlier = IdempotencyRecord.objects.filter(scope=self._scope, key=self.key).first()
        if earlier is not None and earlier.outcome is not None:
            return Outcome(**earlier.outcome, replayed=True)
        outcome = self._call()
        with transaction.atomic():
            memory = recall(scope=self._scope, key=self.key, content=self._fingerprint())
            memory.keep({"sentence": outcome.sentence, "address": outcome.address})
        return outcome

    def _call(self) -> Outcome:
        verb = self.button.verb
        given = self.button.arguments(self.row, self.asked)
        # A hold's owner is whoever places it.
        offered = {"actor": self.actor, "key": self.key, "at": self.at, "owner": str(self.actor)}
        taken = inspect.signature(verb).parameters
        result = verb(**given, **{name: value for name, value in offered.items() if name in taken and name not in given})
        done, then = self.button.done, self.button.then
        return Outcome(
            sentence=done if isinstance(done, str) else done(self.row, result),
            address=then(self.row, result) if then else None,
            secret=self.button.reveal(self.row, result) if self.button.reveal else "",
        )

    @property
    def _scope(self) -> str:
        return f"button:{self.button.name}:{self.actor}"

    def _fingerprint(self) -> dict[str, Any]:
        asked = {name: getattr(value, "name", value) for name, value in self.asked.items()}
        return {"row": self.row.pk if isinstance(self.row, models.Model) else None, "asked": asked}
