"""Book parsed lines in sets: find what is known, allocate, write earnings and postings. Only operations.py and importing.py call this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.ids import new_ids
from payouts.compliance.states import CapabilityCode
from payouts.earnings.allocation import Parts, Purse, SaleGroup, SaleLine
from payouts.earnings.bulk import Postings, array, text_array
from payouts.earnings.gates import ReserveUse, reserve_of_sale, sales_recorded
from payouts.earnings.lines import NULL, LineResult, ParsedLine, copied, rejected
from payouts.earnings.models import EarningKind
from payouts.earnings.purses import lock_purses
from payouts.ledger.templates import Leg, earned
from payouts.sellers.states import SellerStatus

TEMPLATE = {kind.value: kind.value for kind in EarningKind} | {EarningKind.ADJUSTMENT.value: "earning_adjustment"}
PROVIDER = "psp"
_COPY = """COPY payouts_earning (public_id, external_id, kind, order_ref, occurred_at, delivered_at, currency, gross_minor, fee_minor, net_minor,
    fingerprint, line_no, id, seller_id, available_at, pending_minor, uncovered_minor, source, batch_id, recorded_at) FROM STDIN"""

GroupKey = tuple[int, str, str]


class SellerFacts(NamedTuple):
    """What booking needs to know of a locked seller."""

    id: int
    status: str
    delay: timedelta
    accrue_code: str
    is_consumer: bool = False


@dataclass(slots=True)
class Fresh:
    """A line that will be booked: its new ids, its seller, and once allocated its parts and what stays on the row."""

    index: int
    parsed: ParsedLine
    seller: SellerFacts
    earning_id: int = 0
    parts: Parts = field(default_factory=Parts)
    row: SaleLine | None = None
    public_id: str = ""

    @property
    def group(self) -> GroupKey:
        return (self.seller.id, self.parsed.currency, self.parsed.order_ref)


@dataclass
class Booked:
    """What became of a set of lines, in their order, and the signed totals of the accepted ones by currency."""

    results: list[LineResult]
    totals: dict[str, dict[str, int]]

    def count(self, outcome: str) -> int:
        return sum(1 for result in self.results if result.outcome == outcome)


def book(
    parsed: Sequence[ParsedLine | LineResult],
    *,
    source: str,
    actor: Actor,
    at: datetime,
    batch_id: int | None,
    partner_id: int | None,
) -> Booked:
    """Book a set of lines inside the caller's transaction, in their order.

    A rival that books the same external id for another seller at the same time makes the INSERT fail; the caller tries again and then sees
    the rival's line.
    """
    results: list[LineResult | None] = [one if isinstance(one, LineResult) else None for one in parsed]
    fresh = _sift(parsed, results, source, partner_id)
    if fresh:
        for line, earning_id, public_id in zip(fresh, _ids(len(fresh)), new_ids("ern", len(fresh)), strict=True):
            line.earning_id, line.public_id = earning_id, public_id
        stored, uses = _allocate(fresh)
        _insert(fresh, source=source, at=at, batch_id=batch_id)
        _update(stored)
        _post(fresh, actor=actor, at=at)
        if uses:
            reserve_of_sale.use(uses, actor, at)
        sales_recorded.tell([line.earning_id for line in fresh if line.parsed.kind == EarningKind.SALE], at)
    for line in fresh:
        results[line.index] = LineResult(line.parsed.line.line_no, line.parsed.external_id, "accepted", "", "", line.public_id)
    return Booked([result for result in results if result], _totals(fresh))


def _sift(
    parsed: Sequence[ParsedLine | LineResult], results: list[LineResult | None], source: str, partner_id: int | None
) -> list[Fresh]:
    """Part what must be booked from duplicates and rejected lines; locks the sellers of what remains, in id order."""
    lines = [(index, one) for index, one in enumerate(parsed) if isinstance(one, ParsedLine)]
    known = _known(source, [line.external_id for _, line in lines])
    unknown: list[tuple[int, ParsedLine]] = []
    for index, line in lines:
        earlier, public_id = known.setdefault(line.external_id, (line.fingerprint, ""))
        if earlier is line.fingerprint:  # the very object just put there: nobody had this external id before
            unknown.append((index, line))
        elif earlier == line.fingerprint:
            results[index] = LineResult(line.line.line_no, line.external_id, "duplicate", "", "", public_id)
        else:
            sentence = "The same external_id came earlier with other content; what was booked stays."
            results[index] = rejected(line.line, "differs_from_earlier", sentence)
    sellers = _lock_sellers({line.seller for _, line in unknown}, partner_id) if unknown else {}
    fresh: list[Fresh] = []
    for index, line in unknown:
        seller = sellers.get(line.seller)
        if seller is None and line.seller in sellers:
            sentence = f"Several partners have a seller {line.seller!r}, and the house has none; send the line with the partner's own key."
            results[index] = rejected(line.line, "ambiguous_seller", sentence)
        elif seller is None:
            results[index] = rejected(line.line, "unknown_seller", f"There is no seller {line.seller!r}.")
        elif seller.is_consumer:
            # so that no report on sellers (DAC7, 1099-K) ever finds one with figures
            sentence = f"{line.seller!r} is a consumer, who sells to us and not on the marketplace. Record a trade-in instead."
            results[index] = rejected(line.line, "seller_is_consumer", sentence)
        elif seller.status == SellerStatus.CLOSED and line.net_minor > 0:
            results[index] = rejected(line.line, "seller_closed", f"The seller {line.seller!r} is closed.")
        elif (seller.accrue_code or seller.status == SellerStatus.BLOCKED) and _is_new_earning(line):
            results[index] = rejected(line.line, "seller_may_not_accrue", _why_not(line, seller))
        else:
            fresh.append(Fresh(index, line, seller))
    return fresh


def _is_new_earning(line: ParsedLine) -> bool:
    """Tell a new earning from what follows an earlier one: refunds, chargebacks and their reversals are facts, and are always booked."""
    return line.kind == EarningKind.SALE or (line.kind == EarningKind.ADJUSTMENT and line.net_minor > 0)


def _why_not(line: ParsedLine, seller: SellerFacts) -> str:
    why = CapabilityCode(seller.accrue_code).label if seller.accrue_code else "it is blocked"
    return f"The seller {line.seller!r} may not earn now: {why}. Try the line again when it may."


def _known(source: str, external_ids: list[str]) -> dict[str, tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT external_id, fingerprint, public_id FROM payouts_earning WHERE source = %s AND external_id = ANY(%s::text[])",
            [source, text_array(external_ids)],
        )
        return {external_id: (fingerprint, public_id) for external_id, fingerprint, public_id in cursor.fetchall()}


def _lock_sellers(external_ids: set[str], partner_id: int | None) -> dict[str, SellerFacts | None]:
    """The same lock as sellers.queries.lock_sellers, by external id and without a model instance a row.

    Without `partner_id` a name means the house's own seller, else the only partner's; None where several partners have one.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT s.external_id, s.id, s.status, t.delay_days, coalesce(c.accrue_code, 'not_assessed'), s.entity_type = 'consumer',
                      s.partner_id IS NULL
                 FROM payouts_seller s JOIN payouts_tier t ON t.id = s.tier_id
                 LEFT JOIN payouts_sellercapabilities c ON c.seller_id = s.id
                WHERE s.external_id = ANY(%s::text[]) AND (%s::bigint IS NULL OR s.partner_id = %s)
                ORDER BY s.id FOR NO KEY UPDATE OF s""",
            [text_array(external_ids), partner_id, partner_id],
        )
        found: dict[str, SellerFacts | None] = {}
        of_house: set[str] = set()
        for external_id, seller_id, status, delay, accrue_code, is_consumer, house in cursor.fetchall():
            facts = SellerFacts(seller_id, status, timedelta(days=delay), accrue_code, is_consumer)
            if house:
                found[external_id] = facts
                of_house.add(external_id)
            elif external_id not in of_house:
                found[external_id] = None if external_id in found else facts
        return found


def _ids(count: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('payouts_earning_id_seq') FROM generate_series(1, %s)", [count])
        return [row[0] for row in cursor.fetchall()]


def _allocate(fresh: list[Fresh]) -> tuple[list[SaleLine], list[ReserveUse]]:
    """Decide the parts of every line; return the earlier rows to update and the reserved money used.

    A positive line whose sale has no other line anywhere is simply pending; that is nearly all of a file, and needs no balance.
    """
    groups = _groups(fresh)
    purses = lock_purses({key[0] for key in groups})
    stored = [line for group in groups.values() for line in group.lines]
    uses: list[ReserveUse] = []
    for line in fresh:
        net = line.parsed.net_minor
        group = groups.get(line.group) if line.parsed.order_ref else (SaleGroup() if net < 0 else None)
        if group is None:
            line.parts = Parts(pending_minor=net)
            continue
        line.row = SaleLine(line.earning_id, net, 0, 0)
        purse = purses.setdefault((line.seller.id, line.parsed.currency), Purse(0, 0, 0))
        line.parts = group.book(line.row, purse)
        uses += [ReserveUse(earning_id, amount, line.parsed.kind) for earning_id, amount in group.uses]
        if not line.parsed.order_ref:
            line.row.uncovered_minor = 0
    return [line for line in stored if line.changed], uses


def _groups(fresh: list[Fresh]) -> dict[GroupKey, SaleGroup]:
    """Return the sales that need more than a plain credit: those with earlier lines, and those a line of this set takes from."""
    groups = {line.group: SaleGroup() for line in fresh if line.parsed.net_minor < 0}
    keys = list({line.group for line in fresh if line.parsed.order_ref})
    with connection.cursor() as cursor:
        cursor.execute(
            # OFFSET 0 keeps this an index look-up a key: joined freely, the planner reads the whole table while it is small
            """SELECT k.seller_id, k.currency, k.order_ref, e.id, e.net_minor, e.pending_minor, e.uncovered_minor
                 FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS k(seller_id, currency, order_ref),
                      LATERAL (SELECT id, net_minor, pending_minor, uncovered_minor FROM payouts_earning
                                WHERE seller_id = k.seller_id AND currency = k.currency AND order_ref = k.order_ref OFFSET 0) AS e
                ORDER BY e.id""",
            [array([key[0] for key in keys]), array([key[1] for key in keys]), text_array([key[2] for key in keys])],
        )
        for seller_id, currency, order_ref, earning_id, net, pending, uncovered in cursor.fetchall():
            group = groups.setdefault((seller_id, currency, order_ref), SaleGroup())
            group.recall(SaleLine(earning_id, net, pending, uncovered))
    taken_from = {line.group for line in fresh if line.parsed.net_minor < 0 and line.parsed.order_ref}
    sales = [line for key in taken_from for line in groups[key].lines if line.net_minor > 0]
    kept = reserve_of_sale.kept([line.earning_id for line in sales]) if sales else {}
    for line in sales:
        line.reserved_minor = kept.get(line.earning_id, 0)
    return groups


def _insert(fresh: list[Fresh], *, source: str, at: datetime, batch_id: int | None) -> None:
    same = f"{copied(source)}\t{batch_id or NULL}\t{at.isoformat(sep=' ')}\n"
    rows = []
    for line in fresh:
        parsed, row = line.parsed, line.row
        pending, uncovered = (row.pending_minor, row.uncovered_minor) if row else (line.parts.pending_minor, 0)
        available_at = (parsed.delivered_at or parsed.occurred_at) + line.seller.delay
        rows.append(
            f"{line.public_id}\t{copied(parsed.external_id)}\t{parsed.kind}\t{copied(parsed.order_ref)}\t{parsed.times}\t{parsed.currency}\t"
            f"{parsed.gross_minor}\t{parsed.fee_minor}\t{parsed.net_minor}\t{parsed.fingerprint}\t{parsed.line.line_no}\t"
            f"{line.earning_id}\t{line.seller.id}\t{available_at}\t{pending}\t{uncovered}\t{same}"
        )
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write("".join(rows))


def _update(stored: list[SaleLine]) -> None:
    if not stored:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE payouts_earning e SET pending_minor = u.pending, uncovered_minor = u.uncovered
                 FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS u(id, pending, uncovered) WHERE e.id = u.id""",
            [
                array([line.earning_id for line in stored]),
                array([line.pending_minor for line in stored]),
                array([line.uncovered_minor for line in stored]),
            ],
        )


def _post(fresh: list[Fresh], *, actor: Actor, at: datetime) -> None:
    postings = Postings("earning")
    for line in fresh:
        parsed = line.parsed
        legs = _plain_legs(line) if line.row is None else _legs(line)
        postings.add(TEMPLATE[parsed.kind], line.public_id, parsed.fingerprint, line.earning_id, parsed.occurred_at, legs)
    postings.send(actor=actor, at=at)


def _legs(line: Fresh) -> list[Leg]:
    parsed, parts = line.parsed, line.parts
    return earned(
        seller_id=line.seller.id,
        currency=parsed.currency,
        gross_minor=parsed.gross_minor,
        fee_minor=parsed.fee_minor,
        pending_minor=parts.pending_minor,
        available_minor=parts.available_minor,
        reserved_minor=parts.reserved_minor,
        debt_minor=parts.debt_minor,
        provider=PROVIDER,
    )


def _plain_legs(line: Fresh) -> tuple[tuple[str, int, str, str, int], ...]:
    """The same as `_legs` for a line that is simply pending, nearly all of a file, without its objects; a test compares them."""
    parsed = line.parsed
    currency = parsed.currency
    return (
        ("psp.clearing", 0, PROVIDER, currency, parsed.gross_minor),
        ("seller.pending", line.seller.id, "", currency, -parsed.net_minor),
        ("revenue.commission", 0, "platform", currency, -parsed.fee_minor),
    )


def _totals(fresh: list[Fresh]) -> dict[str, dict[str, int]]:
    totals: dict[str, dict[str, int]] = {}
    for line in fresh:
        parsed = line.parsed
        sums = totals.setdefault(parsed.currency, {"gross_minor": 0, "fee_minor": 0, "net_minor": 0})
        sums["gross_minor"] += parsed.gross_minor
        sums["fee_minor"] += parsed.fee_minor
        sums["net_minor"] += parsed.net_minor
    return totals
