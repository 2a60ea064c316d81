"""One partner, two sellers: nothing of the one opens under the address of the other, and the answer is that of what does not exist."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from backoffice.kit.ids import new_id
from payouts.compliance.models import Document, Person, Requirement, Stake
from tests.factories.compliance import make_newcomer, name_person
from tests.factories.partners import make_client

pytestmark = pytest.mark.django_db
PDF = "JVBERi0xLjc="
# What each nested door takes; {…} are ids of the other seller of the same partner.
NESTED: dict[str, tuple[str, dict[str, Any]]] = {
    "requirements/{requirement_id}/answer": ("POST", {"value": "732829320"}),
    "persons/{person_id}/remove": ("POST", {"reason": "not ours"}),
}
IN_BODY: list[tuple[str, str, dict[str, Any]]] = [
    ("documents", "POST", {"requirement": "{requirement_id}", "content": PDF}),
    ("ownership", "PUT", {"stakes": [{"holder": "{person_id}", "basis_points": 5_000}]}),
    ("ownership", "PUT", {"stakes": [{"holder": "{own_person_id}", "company": "{person_id}", "basis_points": 5_000}]}),
]
CALLS = [(path, method, body) for path, (method, body) in NESTED.items()] + IN_BODY


def nested_routes() -> set[str]:
    """Return what lies below one seller and names a second id in its address."""

    def walk(patterns: Any, prefix: str) -> Any:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            elif isinstance(pattern, URLPattern):
                yield route

    below = "api/v1/sellers/<public_id:seller_id>/"
    found = {route.removeprefix(below) for route in walk(get_resolver().url_patterns, "") if route.startswith(below)}
    return {re.sub(r"<public_id:(\w+)>", r"{\1}", route) for route in found if "<" in route}


def filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, str):
        return value.format(**ids)
    if isinstance(value, list):
        return [filled(one, ids) for one in value]
    return {name: filled(one, ids) for name, one in value.items()} if isinstance(value, dict) else value


def without(content: bytes, ids: dict[str, str]) -> bytes:
    for name, value in ids.items():
        content = content.replace(value.encode(), name.encode())
    return content


def everything() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Requirement, Person, Stake, Document)]


def test_every_nested_address_is_tried_here() -> None:
    assert nested_routes() == set(NESTED)


@pytest.mark.parametrize(
    ("path", "method", "body"), CALLS, ids=[f"{method} {path} {sorted(body)}" for path, method, body in CALLS]
)
def test_ids_of_another_seller_of_the_same_partner_are_ids_of_nobody(path: str, method: str, body: dict[str, Any]) -> None:
    client = make_client()
    mine, other = (make_newcomer(partner_id=client.partner.pk) for _ in range(2))
    kind = "company" if "company" in str(body) else "person"
    theirs = name_person(other, "Ada Martin", kind=kind)
    own = name_person(mine, "Ben Durand")
    code = "registration_document" if path == "documents" else "registration_number"
    ids = {"requirement_id": Requirement.objects.get(seller=other, code=code).public_id, "person_id": theirs.public_id}
    strange = {name: new_id(value[:3]) for name, value in ids.items()}
    before = everything()

    def send(found: dict[str, str], key: str) -> Any:
        found = found | {"own_person_id": own.public_id}
        address = f"sellers/{mine.public_id}/{filled(path, found)}"
        return client.send(method, address, filled(body, found), **{"Idempotency-Key": key, "X-Request-Id": "same-request-id"})

    said, nobody = send(ids, "k1"), send(strange, "k2")

    assert (said.status_code, said.json()["code"]) in {(404, "not_found"), (422, "stakes_invalid")}, said.content
    assert without(said.content, ids) == without(nobody.content, strange), "the answer tells what exists elsewhere"
    assert said.status_code == nobody.status_code and everything() == before
    # the very same call about one's own opens: it was the wall, and not the content, that refused
    rightful = {"requirement_id": Requirement.objects.get(seller=mine, code=code).public_id, "person_id": own.public_id}
    if kind == "person" and path != "documents":
        assert send(rightful, "k3").status_code == 200
