"""The people of the demo marketplace. Only seed_demo makes them; their password is known to everybody, and printed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model

from backoffice.kit.actors import Actor
from backoffice.kit.transactions import composable
from backoffice.staff.operations import create_staff

DEMO_PASSWORD = "demo-marketplace-1"  # noqa: S105 - of the demo only, and no secret  # pragma: allowlist secret
DEMO_PEOPLE = {
    "finance": ("Fiona", "Marsh"),
    "lead": ("Leo", "Brandt"),
    "auditor": ("Aya", "Mori"),
    "compliance": ("Carla", "Ruiz"),
    "risk": ("Rosa", "Klein"),
    "support": ("Sami", "Odeh"),
}
DEMO_ROLES = list(DEMO_PEOPLE)


def demo_logins() -> list[dict[str, str]]:
    """Return address, role and password of every demo login, for printing."""
    return [{"email": f"{role}@demo.example", "role": role, "password": DEMO_PASSWORD} for role in DEMO_ROLES]


@composable
def make_demo_staff(*, actor: Actor, at: datetime) -> dict[str, Any]:
    """Make the demo logins that are missing; return the users by role."""
    users = {user.username: user for user in get_user_model().objects.filter(username__endswith="@demo.example")}
    for login in demo_logins():
        if login["email"] not in users:
            user = create_staff(email=login["email"], role=login["role"], password=login["password"], actor=actor, at=at)
            user.first_name, user.last_name = DEMO_PEOPLE[login["role"]]
            user.save(update_fields=["first_name", "last_name"])
            users[login["email"]] = user
    return {login["role"]: users[login["email"]] for login in demo_logins()}
