"""The description and the API say the same: no warnings, examples everywhere, declared keys only, and no 500 whatever is sent."""

from __future__ import annotations

import json
import re

import pytest
import requests
import schemathesis
from django.core.management import call_command
from hypothesis import HealthCheck, settings
from jsonschema import Draft4Validator, FormatChecker
from schemathesis import GenerationMode
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig

from backoffice.kit.api.docs import description
from tests.factories.partners import make_client
from tests.factories.sellers import make_tier
from tests.payouts.test_api_walls import (  # noqa: F401 - belongings is a fixture, and stands on the others
    MATRIX,
    QUERIES,
    _belongings,
    _django_db_helper,
    belongings,
    fill,
)

pytestmark = pytest.mark.django_db
EXAMPLES_PER_OPERATION = 8


@pytest.fixture(scope="module")
def schema():
    return json.loads(description())


def operations(schema):
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def resolve(schema, node):
    while "$ref" in node:
        node = schema["components"]["schemas"][node["$ref"].rsplit("/", 1)[1]]
    if len(node.get("allOf", [])) == 1:
        return resolve(schema, node["allOf"][0])
    return node


def assert_exact(schema, node, value, at):
    """Walk an answer beside its schema: every key declared, every declared key there."""
    if value is None:
        assert node.get("nullable"), f"{at} is null"
        return
    node = resolve(schema, node)
    if isinstance(value, list):
        for number, item in enumerate(value):
            assert_exact(schema, node["items"], item, f"{at}[{number}]")
    elif isinstance(value, dict) and "properties" in node:
        assert set(value) == set(node["properties"]), at
        for name, inner in value.items():
            assert_exact(schema, node["properties"][name], inner, f"{at}.{name}")


def test_description_is_made_without_a_warning(tmp_path):
    call_command("spectacular", "--fail-on-warn", "--validate", "--file", str(tmp_path / "schema.yaml"))


def test_every_operation_is_named_in_one_style_tagged_and_explained(schema):
    names = [operation["operationId"] for _, _, operation in operations(schema)]
    assert len(names) == len(set(names))
    for path, method, operation in operations(schema):
        assert re.fullmatch(r"(get|list|create|update|change|cancel)_[a-z_]+", operation["operationId"])
        assert operation["description"] and operation["tags"], (path, method)
        assert operation["security"] == [{"key": []}]


def test_every_call_answer_and_error_has_an_example_that_fits_its_schema(schema):
    checked = 0
    for path, method, operation in operations(schema):
        bodies = [("call", operation["requestBody"]["content"])] if "requestBody" in operation else []
        bodies += [(status, answer["content"]) for status, answer in operation["responses"].items()]
        for name, content in bodies:
            for media_type, body in content.items():
                if media_type in ("application/pdf", "text/csv"):
                    continue
                assert body.get("examples"), (path, method, name)
                for example in body["examples"].values():
                    assert_fits(schema, body["schema"], example["value"], (path, method, name))
                    checked += 1
    assert checked > 150


def assert_fits(schema, node, value, where):
    document = json.loads(
        json.dumps({"schema": node, "components": schema["components"]}).replace('"nullable": true', '"x-null": 1')
    )
    relaxed = _nullable(document)
    validator = Draft4Validator(relaxed["schema"] | {"components": relaxed["components"]}, format_checker=FormatChecker())
    errors = [error.message for error in validator.iter_errors(value)]
    assert not errors, (where, errors[:3])


def _nullable(node):
    """Say OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    if isinstance(node, list):
        return [_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    inner = {name: _nullable(value) for name, value in node.items() if name != "x-null"}
    return {"anyOf": [inner, {"type": "null"}]} if "x-null" in node else inner


def test_answers_hold_exactly_the_declared_keys(schema, belongings):  # noqa: F811 - the fixture of that name
    owner, ids = belongings
    for route, methods in MATRIX.items():
        if "get" not in methods:
            continue
        response = owner.get(fill(route + QUERIES.get(route, ""), ids))
        assert response.status_code == 200
        path = "/api/v1/" + re.sub(r"<public_id:(\w+)>", r"{\1}", route)
        declared = schema["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert_exact(schema, declared, response.json(), path)


def test_bank_details_never_stand_in_an_answer(belongings):  # noqa: F811 - the fixture of that name
    from payouts.sellers.models import PayeeAccount

    owner, ids = belongings
    secrets = [text for payee in PayeeAccount.objects.all() for text in (payee.number,)]
    for route, methods in MATRIX.items():
        if "get" in methods:
            body = owner.get(fill(route + QUERIES.get(route, ""), ids)).content.decode()
            assert not any(secret in body for secret in secrets)


def test_problems_have_exactly_the_declared_keys(schema):
    client = make_client()
    for response in (
        client.get("nowhere"),
        client.get("sellers?limit=0"),
        client.post("sellers", {}),
        client.post("sellers", b"{"),
    ):
        assert set(response.json()) == set(schema["components"]["schemas"]["Problem"]["properties"])


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_nothing_that_fits_or_breaks_the_schema_makes_a_500(mode, settings_for_fuzzing, belongings):  # noqa: F811 - the fixture of that name
    owner, _ = belongings
    generation = GenerationConfig(modes=[mode])
    config = SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(generation=generation)))
    api = schemathesis.openapi.from_dict(json.loads(description()), config=config)
    statuses = []

    @settings(
        max_examples=EXAMPLES_PER_OPERATION,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def send(case):
        response = transmit(owner, case)
        statuses.append(response.status_code)
        assert response.status_code < 500, (case.method, case.formatted_path, case.body, response.content)
        assert response["Content-Type"] in ("application/json", "application/problem+json")

    for result in api.get_all_operations():
        operation = result.ok()
        from hypothesis import given

        given(case=operation.as_strategy(generation_mode=mode))(send)()
    assert len(statuses) > 100


def transmit(owner, case):
    """Send a generated case through the test client: over WSGI, Django would close the connection the test's transaction lives on."""
    sent = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
    headers = {name: value for name, value in sent.headers.items() if name.lower() not in ("content-length", "accept")}
    headers = {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in headers.items()}
    body = sent.body.encode() if isinstance(sent.body, str) else sent.body or b""
    headers["Authorization"] = f"Bearer {owner.secret}"
    content_type = headers.pop("Content-Type", "application/json")
    return owner.client.generic(
        case.method, sent.url.removeprefix("http://testserver"), body, content_type=content_type, headers=headers
    )


@pytest.fixture
def settings_for_fuzzing(settings):
    settings.API_READS_PER_MINUTE = settings.API_WRITES_PER_MINUTE = 1_000_000
    make_tier("new")
