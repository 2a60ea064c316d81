"""Who looks at a page, so that no link on it ends in a refusal: what somebody may not open stands there as words only."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.apps import apps
from django.db import models

from backoffice.kit.ids import PublicIdField, prefix_of

# Kept in a box: contexts compare what they hold when a server changes between threads and its loop, and comparing a lazy user would ask the database.
_viewer: ContextVar[_Viewer | None] = ContextVar("viewer", default=None)


class _Viewer:
    def __init__(self, user: Any) -> None:
        self.user = user


@contextmanager
def seen_by(user: Any) -> Iterator[None]:
    """Draw what is drawn inside for this person."""
    token = _viewer.set(_Viewer(user))
    try:
        yield
    finally:
        _viewer.reset(token)


def may(permission: str) -> bool:
    """Tell whether whoever looks has a permission; where nobody is known to look, a page of rows is not being drawn, and nothing is left out."""
    viewer = _viewer.get()
    return viewer is None or bool(viewer.user.has_perm(permission))


def may_open(model: type[models.Model]) -> bool:
    """Tell whether whoever looks may open the pages of a model's rows."""
    meta = model._meta
    return may(f"{meta.app_label}.view_{meta.model_name}")


def may_follow(public_id: str) -> bool:
    """Tell whether an id leads whoever looks to a page."""
    return any(may_open(model) for model in models_of(public_id))


def models_of(public_id: str) -> list[type[models.Model]]:
    """Return the models whose rows have ids of this prefix."""
    return _models_by_prefix().get(prefix_of(public_id) or "", [])


@functools.cache
def _models_by_prefix() -> dict[str, list[type[models.Model]]]:
    found: dict[str, list[type[models.Model]]] = {}
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, PublicIdField):
                found.setdefault(field.prefix, []).append(model)
    return found
