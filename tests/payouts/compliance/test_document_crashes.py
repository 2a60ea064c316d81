"""A worker that moves papers into storage dies at every boundary of this room: no paper is lost, none lies there twice, and an erased one goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured

from backoffice.kit import failpoints
from payouts.compliance import vault
from payouts.compliance.erasing import KEPT_DAYS
from payouts.compliance.models import Document, DocumentBytes
from payouts.compliance.operations import delete_erased_files, erase_personal_data, move_out, open_document
from payouts.sellers.operations import set_seller_status
from tests.factories.compliance import AT, REVIEWER, make_newcomer, make_pdf, row, upload

pytestmark = pytest.mark.django_db
# As the code declares them: a new one is covered as soon as it exists.
BOUNDARIES = [name for name, module in failpoints.BOUNDARIES.items() if module.startswith("payouts.compliance.")]


class Crash(BaseException):
    """The process dies here: nothing below may catch it."""


@pytest.fixture(autouse=True)
def unhooked() -> Iterator[None]:
    yield
    for name in BOUNDARIES:
        failpoints.hook(name, None)


def die(name: str, first: Callable[[], Any] = lambda: None) -> None:
    """Move papers out in a worker that dies at a boundary, after something else has happened there."""

    def now() -> None:
        failpoints.hook(name, None)
        first()
        raise Crash

    failpoints.hook(name, now)
    with pytest.raises(Crash):
        move_out(at=AT)


def stored() -> list[Path]:
    return [path for path in Path(configured.STORAGES["documents"]["OPTIONS"]["location"]).rglob("*") if path.is_file()]


def opened(paper: Document) -> bytes:
    return open_document(document_id=paper.pk, actor=REVIEWER, at=AT)[1]


@pytest.fixture
def papers(db: None) -> dict[int, bytes]:
    """Two papers on their way into storage, with what was sent."""
    seller = make_newcomer()
    sent = {}
    for data in (make_pdf(), make_pdf(2)):
        sent[upload(row(seller, "registration_document"), data).pk] = data
    return sent


def test_the_boundaries_of_this_room_are_known() -> None:
    assert BOUNDARIES == ["document_stored"]


@pytest.mark.parametrize("name", BOUNDARIES)
def test_a_worker_that_dies_loses_no_paper_and_the_next_one_ends_the_move(papers: dict[int, bytes], name: str) -> None:
    die(name)
    assert DocumentBytes.objects.count() == 2 and len(stored()) == 1, "the file is there, and no row names it"
    assert {pk: opened(Document.objects.get(pk=pk)) for pk in papers} == papers

    die(name)  # and again in the repetition, with the half it left behind
    assert move_out(at=AT) == 2 and move_out(at=AT) == 0

    assert not DocumentBytes.objects.exists() and len(stored()) == 2
    assert {pk: opened(Document.objects.get(pk=pk)) for pk in papers} == papers


@pytest.mark.parametrize("name", BOUNDARIES)
def test_a_file_that_was_half_written_when_the_worker_died_is_replaced(papers: dict[int, bytes], name: str) -> None:
    die(name)
    (half,) = stored()
    half.chmod(0o600)
    half.write_bytes(half.read_bytes()[:40])

    assert move_out(at=AT) == 2

    assert {pk: opened(Document.objects.get(pk=pk)) for pk in papers} == papers
    assert len(stored()) == 2 and half not in stored()


@pytest.mark.parametrize("name", BOUNDARIES)
def test_a_paper_erased_while_the_worker_was_dead_leaves_no_file_behind(papers: dict[int, bytes], name: str) -> None:
    die(name)
    seller = Document.objects.get(pk=min(papers)).seller
    set_seller_status(seller_id=seller.pk, to="closed", actor=REVIEWER, at=AT, reason="gave up")
    late = AT + timedelta(days=KEPT_DAYS + 1)

    erase_personal_data(seller_id=seller.pk, actor=REVIEWER, at=late, reason="asked for it")
    move_out(at=late)
    delete_erased_files(at=late)

    assert stored() == [] and not DocumentBytes.objects.exists()
    for pk in papers:
        with pytest.raises(vault.DocumentGone):
            opened(Document.objects.get(pk=pk))
