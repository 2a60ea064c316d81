"""Requests through the whole stack: idempotency, headers, bodies, methods, documents."""

import pytest

from backoffice.kit.api.docs import error_codes
from backoffice.kit.idempotency import IdempotencyRecord
from backoffice.urls import API_ROOMS
from payouts.sellers.models import Seller
from tests.backoffice.partners.test_api_keys import assert_problem
from tests.factories.partners import ApiClient, make_client
from tests.factories.sellers import make_tier

pytestmark = pytest.mark.django_db
BODY = {
    "external_id": "shop-1",
    "legal_name": "Refurb Lyon SARL",
    "entity_type": "company",
    "country": "FR",
    "currency": "EUR",
    "schedule": "weekly",
}


@pytest.fixture
def client():
    make_tier("new")
    return make_client()


def test_same_key_and_body_answer_the_same_bytes_and_act_once(client):
    first = client.post("sellers", BODY, key="k")
    second = client.post("sellers", dict(reversed(BODY.items())), key="k")
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert "Idempotent-Replayed" not in first and second["Idempotent-Replayed"] == "true"
    assert Seller.objects.count() == 1


def test_same_key_with_another_body_is_refused(client):
    client.post("sellers", BODY, key="k")
    assert_problem(client.post("sellers", BODY | {"external_id": "shop-2"}, key="k"), 422, "idempotency_key_reused")
    assert Seller.objects.count() == 1


def test_key_belongs_to_partner_and_path(client):
    other = make_client()
    first = client.post("sellers", BODY, key="k").json()
    second = other.post("sellers", BODY | {"external_id": "shop-2"}, key="k").json()
    assert first["id"] != second["id"]
    assert other.post("earnings", {"earnings": []}, key="k").status_code == 422


def test_post_without_a_key_is_refused(client):
    assert_problem(client.post("sellers", BODY, key=None), 400, "idempotency_key_required")
    assert_problem(client.post("sellers", BODY, key="x" * 201), 400, "idempotency_key_invalid")
    assert_problem(client.post("sellers", BODY, key=""), 400, "idempotency_key_invalid")
    assert Seller.objects.count() == 0


def test_refusal_leaves_the_key_free(client):
    assert client.post("sellers", BODY | {"country": "ZZ"}, key="k").status_code == 422
    assert not IdempotencyRecord.objects.exists()
    assert client.post("sellers", BODY, key="k").status_code == 201


def test_patch_takes_a_key_but_does_not_need_one(client):
    seller = client.post("sellers", BODY).json()
    path = f"sellers/{seller['id']}"
    assert client.patch(path, {"town": "Lyon"}).json()["town"] == "Lyon"
    first = client.patch(path, {"town": "Paris"}, **{"Idempotency-Key": "k"})
    client.patch(path, {"town": "Nice"})
    again = client.patch(path, {"town": "Paris"}, **{"Idempotency-Key": "k"})
    assert again["Idempotent-Replayed"] == "true" and again.content == first.content
    assert client.get(path).json()["town"] == "Nice"


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"[{}]"])
def test_body_that_is_no_object_is_refused(client, body):
    assert client.post("sellers", body).status_code == 422
    assert client.post("earnings", body).status_code == 422


def test_other_content_types_and_too_large_bodies_are_refused(client):
    response = client.client.post(
        "/api/v1/sellers", {"a": 1}, headers={"Authorization": f"Bearer {client.secret}", "Idempotency-Key": "k"}
    )
    assert_problem(response, 415, "unsupported_media_type")
    assert_problem(client.post("sellers", b'{"a": "' + b"x" * (2 * 1024 * 1024) + b'"}'), 413, "body_too_large")


def test_every_answer_is_strict_and_uncached(client):
    for response in (
        client.get("sellers"),
        client.get("nowhere"),
        ApiClient("").get("sellers"),
        client.send("DELETE", "sellers"),
    ):
        assert response["Content-Security-Policy"].startswith("default-src 'none'")
        assert response["Cache-Control"] == "no-store"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["X-Request-Id"]


def test_request_id_of_the_caller_comes_back(client):
    response = client.get("nowhere", **{"X-Request-Id": "trace-12345678"})
    assert response["X-Request-Id"] == response.json()["request_id"] == "trace-12345678"
    forged = client.get("nowhere", **{"X-Request-Id": "a b\tc{}<script>"})
    assert "<" not in forged["X-Request-Id"]


def test_methods_that_are_not_offered_say_so(client):
    for method in ("PUT", "DELETE", "PATCH"):
        assert_problem(client.send(method, "sellers", {}), 405, "method_not_allowed")
    assert client.send("OPTIONS", "sellers").status_code == 405
    assert client.send("TRACE", "sellers").status_code == 405
    assert client.send("HEAD", "sellers").content == b""


def test_unknown_address_is_a_problem_behind_the_key(client):
    assert_problem(client.get("nowhere/at/all"), 404, "not_found")
    assert_problem(client.get("sellers/../../admin"), 404, "not_found")
    assert ApiClient("").get("nowhere").status_code == 401


def test_format_that_is_not_offered_is_refused(client):
    assert_problem(client.get("sellers", Accept="text/html"), 406, "not_acceptable")


def test_documents_are_public_and_run_no_inline_script(client):
    anonymous = ApiClient("")
    schema = anonymous.get("/api/v1/openapi.json")
    assert schema.status_code == 200 and schema.json()["openapi"].startswith("3.")
    for path in ("/api/docs/", "/api/docs/errors/"):
        page = anonymous.get(path)
        assert page.status_code == 200
        assert "unsafe" not in page["Content-Security-Policy"]
        html = page.content.decode()
        assert "<script>" not in html and "style=" not in html and "<style" not in html


def test_error_codes_are_listed_where_problems_point():
    codes = {one["code"] for one in error_codes(API_ROOMS)}
    assert {
        "idempotency_key_required",
        "invalid_iban",
        "seller_exists",
        "not_found",
        "fraction_refused",
        "unknown_seller",
    } <= codes
    assert not {"unknown_template", "approver_is_maker"} & codes, "What only the desk can meet is not a partner's."
    page = ApiClient("").get("/api/docs/errors/").content.decode()
    assert all(f'id="{code}"' in page for code in codes)
