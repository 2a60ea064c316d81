"""Documents in a bucket: moto's server on loopback stands in for S3. What does not answer refuses clearly, loses nothing, and is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from django.core.checks import run_checks
from django.core.files.storage import storages
from django.urls import reverse
from moto.server import ThreadedMotoServer

from payouts.compliance import s3, vault
from payouts.compliance.erasing import KEPT_DAYS
from payouts.compliance.models import Document, DocumentBytes, DocumentPreview
from payouts.compliance.operations import delete_erased_files, erase_personal_data, move_out, open_document, preview_document
from payouts.sellers.operations import set_seller_status
from tests.factories.compliance import AT, REVIEWER, make_image, make_newcomer, row, upload

BUCKET = "papers"
KEYS = {"access_key": "testing", "secret_key": "testing", "region_name": "eu-west-3"}


class Bucket:
    """A moto server that can be stopped and started again on its port; what it holds stays."""

    def __init__(self) -> None:
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        self.port = self.server.get_host_and_port()[1]
        self.client = boto3.client(
            "s3", endpoint_url=self.url, aws_access_key_id="testing", aws_secret_access_key="testing", region_name="eu-west-3"
        )
        self.client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.server.stop()

    def start(self) -> None:
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self.server.start()

    def names(self) -> list[str]:
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@pytest.fixture(scope="module")
def server() -> Iterator[Bucket]:
    bucket = Bucket()
    yield bucket
    bucket.stop()


@pytest.fixture
def bucket(server: Bucket, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setattr(s3, "CONNECT_SECONDS", 1)
    monkeypatch.setattr(s3, "READ_SECONDS", 2)
    settings.STORAGES = settings.STORAGES | {
        "documents": {
            "BACKEND": "payouts.compliance.s3.S3Documents",
            "OPTIONS": {"bucket_name": BUCKET, "endpoint_url": server.url, **KEYS},
        }
    }
    return server


def test_a_paper_is_kept_sealed_in_the_bucket_opened_and_erased(bucket: Bucket, db: None) -> None:
    seller = make_newcomer()
    image = make_image("PNG", (900, 600))
    paper = upload(row(seller, "registration_document"), image)
    assert move_out(at=AT) == 1 and move_out(at=AT) == 0
    paper.refresh_from_db()

    stored = bucket.client.get_object(Bucket=BUCKET, Key=paper.storage_name)["Body"].read()
    assert b"PNG" not in stored and b"IHDR" not in stored
    assert open_document(document_id=paper.pk, actor=REVIEWER, at=AT)[1] == image
    drawn = preview_document(document_id=paper.pk, actor=REVIEWER, at=AT)
    assert drawn is not None and drawn.startswith(b"\xff\xd8\xff") and drawn != image

    set_seller_status(seller_id=seller.pk, to="closed", actor=REVIEWER, at=AT, reason="leaves")
    later = AT + timedelta(days=KEPT_DAYS)
    erase_personal_data(seller_id=seller.pk, actor=REVIEWER, at=later, reason="their letter")
    with pytest.raises(vault.DocumentGone):
        open_document(document_id=paper.pk, actor=REVIEWER, at=later)
    assert delete_erased_files(at=later) == 1 and paper.storage_name not in bucket.names()
    assert not DocumentPreview.objects.exists()


def test_an_outage_refuses_loses_nothing_and_the_worker_tries_again(bucket: Bucket, db: None, client: Any) -> None:
    stored, waiting = (upload(row(make_newcomer(), "registration_document")) for _ in range(2))
    held = bytes(DocumentBytes.objects.get(pk=waiting.pk).sealed)
    DocumentBytes.objects.filter(pk=waiting.pk).delete()
    assert move_out(at=AT) == 1
    DocumentBytes.objects.create(document=waiting, sealed=held)
    bucket.stop()
    try:
        with pytest.raises(vault.StorageDown, match="Nothing is lost"):
            move_out(at=AT)
        assert DocumentBytes.objects.filter(document=waiting).exists()
        assert open_document(document_id=waiting.pk, actor=REVIEWER, at=AT)[1].startswith(b"%PDF")
        with pytest.raises(vault.StorageDown):
            open_document(document_id=stored.pk, actor=REVIEWER, at=AT)

        from tests.factories.sellers import make_staff

        client.force_login(make_staff("compliance"))
        shown = client.get(reverse("admin:payouts_document_file", args=[stored.pk]), follow=True)
        assert shown.status_code == 200 and b"does not answer" in shown.content
        upload(row(make_newcomer(), "registration_document"))  # taking in goes on
    finally:
        bucket.start()

    storages._storages.clear()  # a new process, as after a restart
    assert move_out(at=AT) == 2 and not DocumentBytes.objects.exists()
    for paper in (stored, waiting):
        assert open_document(document_id=paper.pk, actor=REVIEWER, at=AT)[1].startswith(b"%PDF")


def test_a_half_written_file_gives_way_only_once_the_row_names_the_whole_one(db: None) -> None:
    paper = upload(row(make_newcomer(), "registration_document"))
    name = f"{paper.public_id[-2:]}/{paper.public_id}.sealed"
    from django.core.files.base import ContentFile

    vault.storage().save(name, ContentFile(b"half"))
    assert move_out(at=AT) == 1
    paper.refresh_from_db()
    assert not vault.storage().exists(name) or paper.storage_name == name
    assert open_document(document_id=paper.pk, actor=REVIEWER, at=AT)[1].startswith(b"%PDF")


def test_a_second_worker_that_comes_late_deletes_nothing_the_row_names(db: None) -> None:
    paper = upload(row(make_newcomer(), "registration_document"))
    sealed = bytes(DocumentBytes.objects.get(pk=paper.pk).sealed)
    move_out(at=AT)
    written = vault._write(f"{paper.public_id[-2:]}/{paper.public_id}.sealed", sealed)
    late = vault._write(f"late/{paper.public_id}.sealed", sealed)
    assert not vault._note(paper, written, None) and not vault._note(paper, late, None)
    assert open_document(document_id=paper.pk, actor=REVIEWER, at=AT)[1].startswith(b"%PDF")
    assert not vault.storage().exists(late[0]) and Document.objects.get(pk=paper.pk).storage_name == written[0]


@pytest.mark.parametrize(
    ("backend", "options", "found"),
    [
        ("payouts.compliance.s3.S3Documents", {"bucket_name": BUCKET}, []),
        ("payouts.compliance.s3.S3Documents", {}, ["payouts.E002"]),
        ("payouts.compliance.s3.S3Documents", {"bucket_name": BUCKET, "access_key": "testing"}, ["payouts.E002"]),
        ("payouts.compliance.s3.S3Documents", {"bucket_name": BUCKET, "bukket": 1}, ["payouts.E002"]),
        ("payouts.compliance.s3.S3Documents", {"bucket_name": BUCKET, "endpoint_url": "http://minio.example"}, ["payouts.W001"]),
        ("django.core.files.storage.FileSystemStorage", {"bucket_name": BUCKET}, ["payouts.E002"]),
        ("storages.backends.nowhere.Storage", {}, ["payouts.E002"]),
        ("django.core.files.storage.FileSystemStorage", {"location": "/tmp"}, []),
    ],
)
def test_half_set_storage_is_found_before_anything_runs(settings: Any, backend: str, options: dict, found: list[str]) -> None:
    settings.STORAGES = settings.STORAGES | {"documents": {"BACKEND": backend, "OPTIONS": options}}
    assert [one.id for one in run_checks() if one.id in ("payouts.E002", "payouts.W001")] == found
