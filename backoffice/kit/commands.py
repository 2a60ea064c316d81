"""The base of every management command: --json, --at, one sentence instead of a stack trace, exit codes of interfaces.md."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from backoffice.kit import clock
from backoffice.kit.actors import Actor, staff, system
from backoffice.kit.errors import InputError, NotFound, Refusal

DONE, FAILED, UNUSABLE, PARTLY = 0, 1, 2, 3


class OperatorCommand(BaseCommand):
    """Parse, call one verb, print what it answers.

    Subclasses implement `run(at=..., **options) -> dict` and may set `exit_code` on self; `human(answer)` prints for people.
    """

    requires_system_checks: list[str] = []
    takes_at = True
    exit_code = DONE

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object on standard output")
        if self.takes_at:
            parser.add_argument("--at", metavar="ISO8601", help="act as of this instant (default: now)")
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Subclasses add their own."""

    def handle(self, *args: Any, **options: Any) -> None:
        as_json = options.pop("as_json")
        try:
            if self.takes_at:
                options["at"] = self._at(options.get("at"))
            answer = self.run(**{k: v for k, v in options.items() if k not in _DJANGO_OPTIONS})
        except InputError as refusal:
            self._fail(as_json, UNUSABLE, refusal.code, str(refusal))
        except NotFound as refusal:
            self._fail(as_json, UNUSABLE, refusal.code, str(refusal))
        except Refusal as refusal:
            self._fail(as_json, FAILED, refusal.code, str(refusal))
        except DatabaseError as error:
            self._fail(as_json, FAILED, "database_error", f"The database refused or is not there: {str(error).splitlines()[0]}")
        else:
            if as_json:
                self.stdout.write(json.dumps(answer, default=str, ensure_ascii=False))
            else:
                self.human(answer)
            if self.exit_code:
                sys.stdout.flush()
                raise SystemExit(self.exit_code)

    def run(self, **options: Any) -> dict[str, Any]:
        raise NotImplementedError("A command says what it runs.")

    def human(self, answer: dict[str, Any]) -> None:
        for name, value in answer.items():
            self.stdout.write(f"{name}: {value}")

    def _at(self, text: str | None) -> datetime:
        try:
            return clock.parse_at(text)
        except ValueError as error:
            raise InputError(detail=str(error)) from None

    def _fail(self, as_json: bool, exit_code: int, code: str, sentence: str) -> None:
        if as_json:
            self.stdout.write(json.dumps({"error": {"code": code, "detail": sentence}}, ensure_ascii=False))
        self.stderr.write(f"{sentence} ({code})")
        raise SystemExit(exit_code)


_DJANGO_OPTIONS = {"verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color", "skip_checks"}


class NotPermitted(Refusal):
    code = "not_permitted"
    sentence = "{email} has not the permission {permission}."
    http_status = 403


def actor_of(email: str | None, *, permission: str, fallback: str = "command") -> Actor:
    """Return the staff member behind --as EMAIL, who has the permission, or the machine itself when nobody is named.

    Raises InputError when nobody active has that address, NotPermitted.
    """
    if not email:
        return system(fallback)
    from django.contrib.auth import get_user_model

    user = get_user_model().objects.filter(email__iexact=email, is_active=True, is_staff=True).first()
    if user is None:
        raise InputError(detail=f"No active staff member has the address {email}.")
    if not user.has_perm(permission):
        raise NotPermitted(email=email, permission=permission)
    return staff(user.pk)
