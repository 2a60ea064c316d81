"""One box for everything: pages by name; ids first, then references, then account numbers, then names. Nothing one may not see is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db import models
from django.http import HttpRequest
from unfold.dataclasses import SearchResult

from backoffice.desk.layout import pages_named
from backoffice.kit.admin import display, viewing
from fraud.screening.models import Party
from fraud.screening.queries import parties_named
from fraud.screening.showing import party_name
from payouts.compliance.models import Person
from payouts.dispatch.models import PaymentOrder
from payouts.earnings.models import Earning
from payouts.runs.models import Payout
from payouts.runs.queries import reference_to_id
from payouts.sellers.models import Seller
from payouts.sellers.queries import find_payee_by_number

FOUND_MAX, PAGES_MAX, PAGE_LETTERS_MIN = 20, 6, 2
NAME_LETTERS_MIN = 3


def may_see(user: Any, model: type[models.Model]) -> bool:
    meta = model._meta
    return bool(user.has_perm(f"{meta.app_label}.view_{meta.model_name}"))


def by_public_id(user: Any, public_id: str) -> models.Model | None:
    """Return the row an id names, if this person may see it."""
    for model in viewing.models_of(public_id):
        row = model._default_manager.filter(public_id=public_id).first() if may_see(user, model) else None
        if row is not None:
            return row
    return None


def find_anything(request: HttpRequest, term: str) -> list[SearchResult]:
    """Return what a text may mean, best first."""
    text = (request.POST.get("s") or request.GET.get("s") or term).strip()
    if not text or len(text) > 120:
        return []
    pages = [_page(one) for one in pages_named(request.user, text)[:PAGES_MAX]] if len(text) >= PAGE_LETTERS_MIN else []
    found: dict[tuple[str, int], SearchResult] = {}
    for way in (_ids, _references, _numbers, _named):
        for row in way(request.user, text):
            address = display.page_of(row)
            if address:
                found.setdefault((row._meta.label, row.pk), _result(row, address))
        if found:
            break
    return [*pages, *found.values()][:FOUND_MAX]


def _page(item: dict[str, Any]) -> SearchResult:
    return SearchResult(
        title=item["title"],
        description=f"Page of {item['room']}" if item["room"] else "Page",
        link=item["link"],
        icon=item["icon"],
    )


def _result(row: models.Model, address: str) -> SearchResult:
    kind = str(row._meta.verbose_name).capitalize()
    icons = {Seller: "storefront", Payout: "payments", PaymentOrder: "outbox", Earning: "sell"}
    return SearchResult(
        title=_title(row),
        description=f"{kind} {getattr(row, 'public_id', '')}".strip(),
        link=address,
        icon=icons.get(type(row), "tag"),
    )


def _ids(user: Any, text: str) -> Iterable[models.Model]:
    row = by_public_id(user, text.lower())
    return [row] if row else []


def _references(user: Any, text: str) -> Iterable[models.Model]:
    ways: list[tuple[type[models.Model], Callable[[], Any]]] = [
        (Seller, lambda: Seller.objects.filter(external_id=text)),
        (Payout, lambda: Payout.objects.filter(public_id=reference_to_id(text))),
        (PaymentOrder, lambda: PaymentOrder.objects.filter(end_to_end_id=text)),
        (Earning, lambda: Earning.objects.filter(external_id=text)),
    ]
    return [row for model, rows in ways if may_see(user, model) for row in rows()[:5]]


def _numbers(user: Any, text: str) -> Iterable[models.Model]:
    plain = "".join(text.split()).upper()
    if not user.has_perm("payouts.view_payeeaccount") or not (
        8 <= len(plain) <= 34 and plain.isalnum() and any(c.isdigit() for c in plain)
    ):
        return []
    return find_payee_by_number(plain)


def _names(user: Any, text: str) -> Iterable[models.Model]:
    if len(text) < NAME_LETTERS_MIN or not may_see(user, Seller):
        return []
    return Seller.objects.filter(legal_name__icontains=text).order_by("legal_name")[:FOUND_MAX]


def _named(user: Any, text: str) -> Iterable[models.Model]:
    return [*_names(user, text), *_persons(user, text)]


def _persons(user: Any, text: str) -> Iterable[models.Model]:
    """Find whom screening knows by exactly this name, through a blind index; persons behind sellers by their own page."""
    if len(text) < NAME_LETTERS_MIN or not may_see(user, Party):
        return []
    parties = list(parties_named(text, FOUND_MAX))
    persons = {one.public_id: one for one in Person.objects.filter(public_id__in=[party.subject for party in parties])}
    return [persons.get(party.subject, party) if may_see(user, Person) else party for party in parties]


def _title(row: models.Model) -> str:
    if isinstance(row, Party):
        return party_name(row)
    return row.name or str(row) if isinstance(row, Person) else str(row)
