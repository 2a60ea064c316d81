"""A yente server, on loopback: what it says becomes hits; what goes wrong is a failed check, never a clean one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import transaction

from backoffice.kit.transactions import TransactionOpen
from fraud.screening import passes, queries
from fraud.screening.matching.matcher import Query
from fraud.screening.models import Check, Hit, Party
from fraud.screening.operations import screen_party
from fraud.screening.yente import Yente
from tests.factories.screening import AT, ROBOT, facts, later, make_party

pytestmark = pytest.mark.django_db
RESULT = {
    "id": "NK-krabben", "caption": "Zoltan Krabbenhoft", "schema": "Person", "score": 0.9312, "datasets": ["un_sc_sanctions"], "match": True,
    "properties": {"name": ["Zoltan Krabbenhoft"], "birthDate": ["1961-04-17"], "country": ["hu"]}, "features": {"name_match": 0.93},
}  # fmt: skip


class Server:
    """Answers as `reply(handler, body)` says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.reply: Callable[[BaseHTTPRequestHandler], None] = self.results([RESULT])

    def results(self, results: list[dict[str, Any]]) -> Callable[[BaseHTTPRequestHandler], None]:
        return self.raw(200, json.dumps({"responses": {"party": {"status": 200, "results": results}}}).encode())

    @staticmethod
    def raw(status: int, content: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)

        return answer


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.paths.append(self.path)
            told.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            told.reply(self)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output clean."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    settings.SCREENING_PROVIDER, settings.YENTE_URL, settings.YENTE_TIMEOUT_SECONDS = (
        "yente",
        f"http://127.0.0.1:{http.server_port}",
        0.5,
    )
    yield told
    http.shutdown()
    http.server_close()


def test_its_matches_become_hits_and_the_address_holds_no_name(server: Server) -> None:
    party = make_party("Zoltan Krabbenhoft", countries=["HU"])
    hit = Hit.objects.get(party=party)
    assert (party.state, str(hit.score), hit.strong, hit.list_name, hit.source_id) == (
        "hits",
        "93.12",
        True,
        "yente sanctions",
        "NK-krabben",
    )
    assert server.asked[0]["queries"]["party"] == {
        "schema": "Person",
        "properties": {"name": ["Zoltan Krabbenhoft"], "country": ["hu"]},
    }
    assert "rabbenhoft" not in server.paths[0]


def test_below_the_policys_threshold_is_clean(server: Server) -> None:
    server.reply = server.results([RESULT | {"score": 0.71}])
    assert make_party("Anna Bergqvist").state == "clean"


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Server.raw(500, b"oops"), "provider_refused"), (Server.raw(302, b""), "provider_refused"), (Server.raw(200, b"<html>"), "provider_unreadable"),
        (Server.raw(200, b"{}"), "provider_unreadable"), (Server.raw(200, b'{"responses": {"party": {"status": 400}}}'), "provider_unreadable"),
        (Server.raw(200, b'{"responses": {"party": {"results": [{"id": 1}]}}}'), "provider_unreadable"),
        (Server.raw(200, b" " * (5 << 20)), "provider_unreadable"), (lambda handler: time.sleep(1), "provider_unreachable"),
        (lambda handler: handler.connection.close(), "provider_unreachable"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_failed_and_never_clean(server: Server, reply: Any, problem: str) -> None:
    server.reply = reply
    party = make_party("Zoltan Krabbenhoft")
    assert (party.state, party.problem, queries.standing(party.subject)) == ("failed", problem, "failed")
    assert Check.objects.get(party=party).result == "failed"


def test_it_is_asked_again_with_growing_pauses_until_it_answers(server: Server) -> None:
    server.reply = server.raw(503, b"")
    party = make_party("Anna Bergqvist")
    pauses = []
    for day in range(1, 4):
        passes.work(at=later(day))
        party.refresh_from_db()
        pauses.append(int((party.next_try_at - later(day)).total_seconds()))
    assert pauses == [120, 240, 480]
    server.reply = server.results([])
    passes.work(at=later(5))
    party.refresh_from_db()
    assert (party.state, party.tries, party.next_try_at) == ("clean", 0, None)


def test_it_is_never_asked_inside_a_transaction(server: Server) -> None:
    with transaction.atomic():
        with pytest.raises(TransactionOpen):
            Yente().ask(Query(["Anna"]), 80)
        result = screen_party(subject="per_77", actor=ROBOT, at=AT, **facts("Anna Bergqvist"))
    assert (result.state, result.problem, server.asked) == ("failed", "asked_later", [])
    passes.work(at=AT)
    assert Party.objects.get(subject="per_77").state == "hits"
