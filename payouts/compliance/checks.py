"""The data and the storage of this room are looked at before anything runs: what is wrong or half set is never left out in silence."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from payouts.compliance.catalogue import CatalogueWrong, catalogues
from payouts.compliance.scorecard import ScorecardWrong, scorecard


@register()
def data_can_be_read(**kwargs: Any) -> list[CheckMessage]:
    """Refuse to start with a catalogue or a scorecard that is wrong."""
    found: list[CheckMessage] = []
    for read in (catalogues, scorecard):
        try:
            read()
        except (CatalogueWrong, ScorecardWrong) as problem:
            found.append(Error(str(problem), hint="Mend the file it names.", id="payouts.E001"))
    return found


@register()
def documents_have_a_place(**kwargs: Any) -> list[CheckMessage]:
    """Refuse half-set storage of documents: an upload would be taken in, and wait for a place that does not exist."""
    place: dict[str, Any] = settings.STORAGES["documents"]
    options: dict[str, Any] = place.get("OPTIONS", {})
    on_s3 = str(place["BACKEND"]).rpartition(".")[2].startswith("S3")
    wrong: list[str] = []
    if on_s3:
        if not options.get("bucket_name"):
            wrong.append("DOCUMENT_STORAGE is S3, and DOCUMENT_STORAGE_OPTIONS names no bucket_name.")
        if bool(options.get("access_key")) != bool(options.get("secret_key")):
            wrong.append("Of access_key and secret_key in DOCUMENT_STORAGE_OPTIONS one is missing; set both, or neither.")
    elif "bucket_name" in options:
        wrong.append("DOCUMENT_STORAGE_OPTIONS names a bucket, and DOCUMENT_STORAGE is not s3.")
    if not wrong:
        try:
            import_string(place["BACKEND"])(**options)
        except (ImportError, TypeError, ImproperlyConfigured, OSError) as problem:
            wrong.append(
                f"The storage of documents cannot be made ({type(problem).__name__}): an option is unknown, or a package is missing."
            )
    found: list[CheckMessage] = [
        Error(sentence, hint="See DOCUMENT_STORAGE in docs/operations.md.", id="payouts.E002") for sentence in wrong
    ]
    if on_s3 and _in_the_clear(str(options.get("endpoint_url") or "")):
        hint = "Use https://; the files are sealed, their names and the requests are not."
        found.append(Warning("The S3 endpoint of documents is asked without TLS.", hint=hint, id="payouts.W001"))
    return found


def _in_the_clear(endpoint: str) -> bool:
    parts = urlsplit(endpoint)
    return parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1")
