"""manage.py create_staff: a staff member with a role."""

import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.urls import reverse

from backoffice.kit.actors import system
from backoffice.kit.commands import OperatorCommand
from backoffice.kit.errors import InputError
from backoffice.staff.operations import LINK_LIFETIME, create_staff, make_sign_in_link
from backoffice.staff.roles import ROLES


class Command(OperatorCommand):
    """Create a staff member."""

    help = "Create a staff member with a role; without --password-stdin it prints a link that works once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--role", required=True, choices=list(ROLES))
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        parser.add_argument("--base-url", default="http://127.0.0.1:8000", help="where the admin is reached, for the link")

    def run(self, *, email: str, role: str, password_stdin: bool, base_url: str, at: datetime, **_: Any) -> dict[str, Any]:
        actor = system("create_staff")
        password = sys.stdin.readline().rstrip("\r\n") if password_stdin else ""
        if password_stdin and not password:
            raise InputError(detail="There is no password on standard input.")
        user = create_staff(email=email, role=role, password=password, actor=actor, at=at)
        answer = {"email": user.email, "role": role}
        if not password:
            token = make_sign_in_link(user_id=user.pk, actor=actor, at=at)
            path = reverse("staff-sign-in", args=[token])
            answer |= {"sign_in_link": base_url.rstrip("/") + path, "valid_until": (at + LINK_LIFETIME).isoformat()}
        return answer
