"""How facts look on a screen: money, states, ids, instants, people. Everything here escapes what it is given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.db import models
from django.urls import NoReverseMatch, get_script_prefix, get_urlconf, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from backoffice.kit.admin import viewing
from backoffice.kit.ids import prefix_of
from backoffice.kit.money import Money

EMPTY = "–"

# Unfold's own label classes, by tone; its stylesheet is compiled and knows these.
_LABEL = "inline-block font-semibold rounded-default text-[11px] uppercase whitespace-nowrap h-6 leading-6 px-2 "
_TONES = {
    "good": "bg-green-100 text-green-700 dark:bg-green-500/20 dark:text-green-400",
    "bad": "bg-red-100 text-red-700 dark:bg-red-500/20 dark:text-red-400",
    "warn": "bg-orange-100 text-orange-700 dark:bg-orange-500/20 dark:text-orange-400",
    "busy": "bg-blue-100 text-blue-700 dark:bg-blue-500/20 dark:text-blue-400",
    "plain": "bg-base-500/8 text-base-700 dark:bg-base-500/20 dark:text-base-200",
}
_TONE_OF_STATE = {
    # sellers, payouts and files
    "good": "active approved paid completed done applied accepted match used info explained retried clean cleared in_force satisfied "
    "validated waived "
    # billing, and what goes out
    "succeeded answered settled won processed prevented enabled",
    "bad": "failed returned rejected blocked invalid no_match denied unplaced refused dead absent confirmed hit hits past_due out_of_date "
    "requires_payment_method lost finalizing_failed unpaid exhausted disabled_auto disabled_gone",
    "warn": "needs_approval held paused unknown review soft_closed partly_placed partly_accepted ineligible needs_data "
    "close_match requested waiting not_screenable proposed currently_due not_assessed "
    "requires_action requires_confirmation needs_action needs_response warning_needs_response appeal_needs_response early_warning triage retry "
    "parked incomplete awaiting_payment degraded",
    "busy": "pending in_transit sending sent submitted running handed_over due pending_verification validation_asked "
    "calling under_review warning_under_review appeal_under_review processing asked",
}
_TONE: dict[str, str] = {state: tone for tone, states in _TONE_OF_STATE.items() for state in states.split()}


def money(amount_minor: int | None, currency: str, *, signed: bool = False) -> str | SafeString:
    """Return an amount for a right-aligned cell: grouped digits, then the currency."""
    if amount_minor is None or not currency:
        return EMPTY
    digits, _, code = Money(amount_minor, currency).display().rpartition(" ")
    if signed and amount_minor > 0:
        digits = "+" + digits
    below = " money-below" if amount_minor < 0 else ""
    return format_html('<span class="money{}">{} <span class="money-currency">{}</span></span>', below, digits, code)


def totals(amounts: Mapping[str, int]) -> str | SafeString:
    """Return one amount per currency, one under the other: currencies are never added up."""
    if not amounts:
        return EMPTY
    return format_html_join("", '<span class="money-line">{}</span>', ((money(amounts[c], c),) for c in sorted(amounts)))


def label(text: str, tone: str = "plain") -> SafeString:
    return format_html('<span class="{}">{}</span>', _LABEL + _TONES[tone], text)


def state(row: Any, field: str = "status") -> str | SafeString:
    """Return a row's state as a coloured label with the words of its enum."""
    value = getattr(row, field)
    if not value:
        return EMPTY
    shown = getattr(row, f"get_{field}_display", lambda: value)()
    return label(shown, tone_of(value))


def state_of(choices: type[models.TextChoices], value: str) -> SafeString:
    """Return a stored state as a label, in words also when the enum no longer knows it."""
    words = dict(choices.choices).get(value, value.replace("_", " "))
    return label(str(words), tone_of(value))


def tone_of(value: str) -> str:
    return _TONE.get(value, "plain")


def instant(at: datetime | None) -> str | SafeString:
    """Return a time in the operator's zone; hovering shows it in UTC."""
    if at is None:
        return EMPTY
    local = timezone.localtime(at)
    utc = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC" class="instant">{}</time>',
        utc.isoformat(),
        f"{utc:%Y-%m-%d %H:%M:%S}",
        f"{local.day} {local:%b %Y, %H:%M}",
    )


def day(on: date | None) -> str | SafeString:
    return steady(f"{on.day} {on:%b %Y}") if on else EMPTY


def day_text(on: date) -> str:
    """Return a date as plain text, for titles and messages."""
    return f"{on.day} {on:%b %Y}"


def steady(text: str) -> SafeString:
    """Return text that does not break over lines."""
    return format_html('<span class="instant">{}</span>', text)


def number(count: int) -> SafeString:
    return steady(f"{count:,}")


def clamped(text: str) -> str | SafeString:
    """Return a sentence that takes two lines at most; hovering shows all of it."""
    return format_html('<span class="clamped" title="{0}">{0}</span>', text) if text else ""


def age(at: datetime | date | None, now: datetime) -> str:
    """Return how old something is, in the largest unit that says enough: '3 days', '5 hours', '12 minutes'; a date is old from its beginning."""
    if at is None:
        return EMPTY
    if not isinstance(at, datetime):
        at = datetime.combine(at, time.min, UTC)
    seconds = max(0, int((now - at).total_seconds()))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def short_id(public_id: str) -> str:
    """Return an id as people read it: its prefix and its last six characters."""
    prefix, _, rest = public_id.rpartition("_")
    return f"{prefix}_…{rest[-6:]}" if prefix and len(rest) > 8 else public_id


def shortened(text: str) -> str | SafeString:
    """Return the end of a long reference, which tells it apart; hovering shows all of it."""
    if len(text) <= 20:
        return steady(text) if text else EMPTY
    prefix = text[:4] if text[3:4] in "_-" else ""
    return format_html('<span class="instant" title="{}">{}…{}</span>', text, prefix, text[-8:])


def copyable(text: str, shown: str | None = None) -> str | SafeString:
    """Return a text with a button that copies the whole of it."""
    if not text:
        return EMPTY
    return format_html(
        '<span class="copyable"><code title="{0}">{1}</code>'
        '<button type="button" class="copy" data-copy="{0}" aria-label="Copy {0}" title="Copy">'
        '<span class="material-symbols-outlined" aria-hidden="true">content_copy</span></button></span>',
        text,
        short_id(text) if shown is None else shown,
    )


def ident(row: Any) -> str | SafeString:
    """Return a row's public id, short and copyable."""
    return copyable(row.public_id)


def page_of(row: models.Model) -> str | None:
    """Return the address of a row's page in the admin, None where it has none."""
    pattern = _page_pattern(type(row), get_script_prefix(), get_urlconf())
    return pattern.replace(_SLOT, str(row.pk), 1) if pattern else None


_SLOT = (
    "0slot0"  # stands where the key goes; a list asks for hundreds of these addresses, and each reverse() takes as long as a cell
)


@lru_cache(maxsize=512)
def _page_pattern(model: type[models.Model], prefix: str, urlconf: str | None) -> str | None:
    """Return the address of a model's pages with a slot for the key; it differs by mount point and URLconf."""
    meta = model._meta
    try:
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[_SLOT])
    except NoReverseMatch:
        return None


def progress(done: int, total: int, *, over: bool = False) -> SafeString:
    """Return how far something is, as a bar with its share; 100 % only once it is `over`, and then whatever was counted."""
    share = 100 if over else min(99, 100 * done // max(total, 1))
    return format_html(
        '{0} %<div class="progress" role="progressbar" aria-label="Progress" aria-valuenow="{0}" aria-valuemin="0" aria-valuemax="100">'
        '<span style="width: {0}%"></span></div>',
        share,
    )


def link(row: models.Model | None, text: Any = None) -> str | SafeString:
    """Return a link to a row's page with its name; the name alone to those who may not open it."""
    if row is None:
        return EMPTY
    address = page_of(row) if viewing.may_open(type(row)) else None
    shown = str(row) if text is None else text
    return format_html('<a class="row-link" href="{}">{}</a>', address, shown) if address else shown


def anchor(address: str, text: Any) -> SafeString:
    return format_html('<a class="row-link" href="{}">{}</a>', address, text)


def way_to(public_id: str, text: Any = None) -> str | SafeString:
    """Return a link to what one of our ids names, without a look-up; words alone to those it would lead nowhere."""
    shown = short_id(public_id) if text is None else text
    return anchor(reverse("go", args=[public_id]), shown) if viewing.may_follow(public_id) else shown


def list_url(model: type[models.Model], **lookups: Any) -> str:
    """Return the address of a model's list with filters."""
    from django.utils.http import urlencode

    base = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{base}?{urlencode(lookups)}" if lookups else base


def plain(value: Any) -> Any:
    """Return a value kept as JSON in words: totals as money, pairs as a list, ids as links to their pages."""
    if value is None:
        return EMPTY
    if isinstance(value, dict):
        if value and all(isinstance(sum_, int) and len(code) == 3 and code.isupper() for code, sum_ in value.items()):
            sums = [(money(value[code], code),) for code in sorted(value)]
            return format_html("<span>{}</span>", format_html_join(", ", "{}", sums))
        pairs = [(name.replace("_", " "), plain(item)) for name, item in value.items()]
        return format_html_join(", ", "{}: {}", pairs)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and prefix_of(value):
        return way_to(value)
    if isinstance(value, str) and _ACTOR.fullmatch(value):
        return people([value])[value]
    if isinstance(value, str) and _INSTANT.match(value):
        return _read_instant(value)
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)


_ACTOR = re.compile(r"(?:staff:\d+|system:[a-z_]+)")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:")


def _read_instant(text: str) -> str | SafeString:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return instant(at) if at.tzinfo else text


def coded(code: str) -> str | SafeString:
    """Return a machine's code in words, the most telling part of it: 'card_declined/insufficient_funds' is insufficient funds; hovering shows the code."""
    if not code:
        return ""
    return format_html('<span title="{}">{}</span>', code, code.rpartition("/")[2].replace("_", " "))


def subject(ref: str) -> str | SafeString:
    """Return what something is about: one of our ids as a short link, anything else as it is, its end if it is long."""
    return way_to(ref) if prefix_of(ref) else shortened(ref)


def people(actors: Iterable[str]) -> dict[str, str]:
    """Return the name of every actor string ('staff:12' → 'Ada Finance'), in one query."""
    wanted = {actor for actor in actors if actor}
    ids = [int(ref) for kind, _, ref in (actor.partition(":") for actor in wanted) if kind == "staff" and ref.isdigit()]
    staff: dict[str, str] = {}
    if ids:
        for user in get_user_model().objects.filter(pk__in=ids):
            staff[f"staff:{user.pk}"] = user.get_full_name() or user.get_username()
    return {actor: staff.get(actor) or _machine(actor) for actor in wanted}


def _machine(actor: str) -> str:
    kind, _, ref = actor.partition(":")
    if kind == "system":
        return f"system ({ref.replace('_', ' ')})"
    if kind == "staff":
        return f"former staff {ref}"
    return f"{kind} {short_id(ref)}" if ref else actor
