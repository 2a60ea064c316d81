"""The provider elsewhere: a yente server (OpenSanctions), asked over HTTP with timeouts, bounded, and outside any transaction.

Sources: https://www.opensanctions.org/docs/api/matching/; the catalogue as yente's data/dataset.py writes it (`index_version`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from typing import Any

import requests
from django.conf import settings

from backoffice.kit.transactions import TransactionOpen, in_transaction
from fraud.screening.editions import NAME, number_in_use
from fraud.screening.matching.matcher import HITS_MAX, Factor, Query
from fraud.screening.provider import Answer, Found

logger = logging.getLogger(__name__)

ANSWER_MAX_BYTES = 4 * 1024 * 1024
CATALOGUE_MAX_BYTES = 32 * 1024 * 1024
_SCHEMAS = {"person": "Person", "entity": "Organization", "unknown": "LegalEntity"}
_KINDS = {
    "Person": "person",
    "Company": "entity",
    "Organization": "entity",
    "LegalEntity": "entity",
    "Vessel": "vessel",
    "Airplane": "aircraft",
}


class Unreadable(Exception):
    """The server's answer is not what its documentation says."""


class Refused(Exception):
    """The server answered with another status than 200."""


_PROBLEMS = (requests.RequestException, Refused, Unreadable, ValueError, KeyError, TypeError, AttributeError)


class Yente:
    """Asks the server of the settings."""

    name = NAME
    remote = True

    def ask(self, query: Query, threshold: float) -> Answer:
        if in_transaction():
            raise TransactionOpen("A screening server is never asked inside a transaction.")
        address = f"{settings.YENTE_URL.rstrip('/')}/match/{settings.YENTE_DATASET}"
        body: Any = {"queries": {"party": {"schema": _SCHEMAS.get(query.kind, "LegalEntity"), "properties": _properties(query)}}}
        try:
            number = number_in_use()  # before the question: an answer never claims a newer edition than it had
            params = {"threshold": str(threshold / 100), "limit": str(HITS_MAX)}
            content = _call("POST", address, ANSWER_MAX_BYTES, json=body, params=params)
            found = [one for result in _results(content) if (one := _found(result)).score >= threshold]
            return Answer(found, {NAME: number})
        except _PROBLEMS as problem:
            return Answer(failed=_code_of(problem))

    def edition(self) -> tuple[str, str]:
        """Return a digest of the names and versions of the server's indexes, from its catalogue."""
        if in_transaction():
            raise TransactionOpen("A screening server is never asked inside a transaction.")
        try:
            content = _call("GET", f"{settings.YENTE_URL.rstrip('/')}/catalog", CATALOGUE_MAX_BYTES)
            indexes = sorted(
                [str(one["name"]), str(one["index_version"])]
                for one in json.loads(content)["datasets"]
                if one.get("index_version")
            )
        except _PROBLEMS as problem:
            return "", _code_of(problem)
        if not indexes:
            return "", "edition_unknown"
        return hashlib.sha256(json.dumps(indexes).encode()).hexdigest(), ""


def _call(method: str, address: str, most: int, **more: Any) -> bytes:
    timeout = (settings.YENTE_TIMEOUT_SECONDS, settings.YENTE_TIMEOUT_SECONDS)
    with requests.request(method, address, timeout=timeout, allow_redirects=False, stream=True, **more) as response:
        if response.status_code != 200:
            raise Refused(str(response.status_code))
        content = b""
        for piece in response.iter_content(65_536):
            content += piece
            if len(content) > most:
                raise Unreadable("too long")
        return content


def _code_of(problem: Exception) -> str:
    """Log the kind of problem and return its code. The address holds no name, but a body does: nothing of either is logged."""
    if isinstance(problem, Refused):
        logger.warning("screening server answered %s", problem)
        return "provider_refused"
    logger.warning("screening server: %s", type(problem).__name__)
    # a broken JSON is both: requests' own class of it derives from its base
    if isinstance(problem, requests.RequestException) and not isinstance(problem, ValueError):
        return "provider_unreachable"
    return "provider_unreadable"


def _properties(query: Query) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"name": list(query.names)}
    if query.birth_on:
        found["birthDate"] = [query.birth_on.isoformat()]
    if query.countries:
        found["country"] = [code.lower() for code in query.countries]
    if query.identifiers:
        found["idNumber" if query.kind == "person" else "registrationNumber"] = list(query.identifiers)
    return found


def _results(content: bytes) -> list[dict[str, Any]]:
    one = json.loads(content)["responses"]["party"]
    if one.get("status", 200) != 200 or not isinstance(one["results"], list):
        raise Unreadable("no results")
    return list(one["results"])


def _found(result: dict[str, Any]) -> Found:
    properties = {str(name): [str(value) for value in values] for name, values in result["properties"].items()}
    score = round(min(1.0, max(0.0, float(result["score"]))) * 100, 2)
    names = properties.get("name", []) + properties.get("alias", [])
    listed: dict[str, Any] = {
        "source_id": str(result["id"])[:120],
        "kind": _KINDS.get(str(result.get("schema")), "unknown"),
        "name": str(result["caption"]),
        "aliases": [[name, False] for name in names[:100]],
        "births": properties.get("birthDate", []),
        "countries": [code.upper() for code in properties.get("country", []) + properties.get("nationality", [])],
        "programmes": [str(name) for name in result.get("datasets", [])],
        "identifiers": [],
    }
    digest = hashlib.sha256(json.dumps([listed["name"], properties], sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    factors = [Factor("server", score, "The screening server's own score.")]
    for name, value in sorted((result.get("features") or {}).items()):
        points = float(value if isinstance(value, int | float) else value.get("score", 0.0))
        if points:
            factors.append(Factor(str(name)[:60], round(points * 100, 2), f"Feature {name} of the server, part of its score."))
    return Found(
        f"yente {settings.YENTE_DATASET}"[:60], listed["source_id"], None, digest, listed, listed["name"], score, tuple(factors)
    )
