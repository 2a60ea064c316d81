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
from fraud.screening import editions, passes, queries
from fraud.screening.invariants import server_answers_are_fresh
from fraud.screening.matching.matcher import Query
from fraud.screening.models import Check, Hit, Party, ServerEdition
from fraud.screening.operations import screen_party, watch_server
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
        self.catalogue: Callable[[BaseHTTPRequestHandler], None] = self.at("20260301")

    def results(self, results: list[dict[str, Any]]) -> Callable[[BaseHTTPRequestHandler], None]:
        return self.raw(200, json.dumps({"responses": {"party": {"status": 200, "results": results}}}).encode())

    def at(self, *versions: str) -> Callable[[BaseHTTPRequestHandler], None]:
        """Return a catalogue as yente writes it: a collection, and the indexes that hold its entries."""
        indexes = [{"name": f"index-{number}", "load": True, "index_version": one} for number, one in enumerate(versions)]
        return self.raw(200, json.dumps({"datasets": [{"name": "sanctions", "index_version": None}, *indexes]}).encode())

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

        def do_GET(self) -> None:
            told.paths.append(self.path)
            told.catalogue(self)

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


def test_a_change_of_its_lists_is_found_and_makes_everybody_due(server: Server) -> None:
    server.reply = server.results([])
    anna, ben = make_party("Anna Bergqvist"), make_party("Ben Durand")
    # whoever was answered before anybody looked at the catalogue is asked again once
    assert watch_server(at=AT) == {"watched": True, "edition": 1, "due": 2}
    passes.work(at=AT)
    assert watch_server(at=later(1)) == {"watched": True, "edition": 1, "due": 0}
    assert queries.coverage(later(1))["stale"] == 0 and server_answers_are_fresh() == []

    server.catalogue, server.reply = server.at("20260302"), server.results([RESULT])
    assert watch_server(at=later(2)) == {"watched": True, "edition": 2, "due": 2}
    assert {one.state for one in Party.objects.all()} == {"due"}
    passes.work(at=later(2))
    for party in (anna, ben):
        party.refresh_from_db()
        assert (party.state, party.trigger, party.covers) == ("hits", "list", {"yente": 2})
    assert server.paths.count("/catalog") == 3

    Party.objects.filter(pk=anna.pk).update(covers={"yente": 1})  # planted
    assert [row["subject"] for row in server_answers_are_fresh()] == [anna.subject]
    assert queries.stale().get() == anna


def test_an_answer_of_lists_that_moved_on_meanwhile_is_asked_again(server: Server) -> None:
    watch_server(at=AT)

    def renewed(handler: BaseHTTPRequestHandler) -> None:
        server.results([])(handler)

    party = make_party("Anna Bergqvist")
    server.reply = renewed
    before = editions.number_in_use
    try:
        # as if the watcher had noted a new edition between the question and its recording
        answers = iter([1, 2])
        import fraud.screening.yente as client

        client.number_in_use = editions.number_in_use = lambda: next(answers)
        screen_party(subject="per_78", actor=ROBOT, at=AT, **facts("Ben Durand"))
    finally:
        client.number_in_use = editions.number_in_use = before
    assert Party.objects.get(subject="per_78").state == "due" and party.state == "hits"


def test_a_crash_on_the_way_over_the_parties_goes_on_with_the_next_call(server: Server, monkeypatch: Any) -> None:
    server.reply = server.results([])
    for number in range(3):
        make_party(f"Anna Bergqvist {number}")
    monkeypatch.setattr(editions, "CHUNK", 1)
    real, calls = editions.make_all_due, []

    def dies(rows: Any, **how: Any) -> int:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(rows, **how)

    monkeypatch.setattr(editions, "make_all_due", dies)
    with pytest.raises(KeyboardInterrupt):
        watch_server(at=AT)
    assert ServerEdition.objects.get().done_at is None and Party.objects.filter(state="due").count() == 1
    assert watch_server(at=AT)["due"] == 2 and ServerEdition.objects.get().done_at == AT


@pytest.mark.parametrize(
    ("catalogue", "problem"),
    [
        (Server.raw(500, b"oops"), "provider_refused"), (Server.raw(200, b"<html>"), "provider_unreadable"),
        (Server.raw(200, b'{"datasets": [{"name": "sanctions"}]}'), "edition_unknown"), (lambda handler: time.sleep(1), "provider_unreachable"),
    ],
)  # fmt: skip
def test_a_catalogue_that_says_nothing_changes_nothing(server: Server, catalogue: Any, problem: str) -> None:
    server.catalogue = catalogue
    assert watch_server(at=AT) == {"watched": True, "problem": problem} and not ServerEdition.objects.exists()
