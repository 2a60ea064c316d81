"""Bring an existing marketplace's sellers in: a chunk of lines is one transaction, and a repeated import changes nothing."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from backoffice.kit.actors import Actor, staff
from backoffice.kit.crypto import blind_index
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.outbox import tell_set
from backoffice.kit.states import born_set
from backoffice.kit.transactions import durable
from backoffice.staff import audit
from backoffice.staff.roles import has_role
from payouts.ledger.operations import set_floors
from payouts.sellers import gates
from payouts.sellers.models import PayeeAccount, Seller, Tier
from payouts.sellers.operations import build_payee
from payouts.sellers.profile import tiers_by_code
from payouts.sellers.queries import AmbiguousSeller, debt_limit_minor, sellers_by_name
from payouts.sellers.reading import RejectedSellerLine, SellerLine, read_sellers
from payouts.sellers.states import PAYEE, SELLER, PayeeStatus, SellerStatus

CHUNK_LINES = 2_000
_COMPARED = ["legal_name", "entity_type", "country", "currency", "schedule"]
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class UnknownStaffMember(InputError):
    code = "unknown_staff_member"
    sentence = "No active staff member has that address."


class MayNotVouch(Refusal):
    code = "may_not_vouch"
    sentence = "Only somebody of the roles lead and compliance may bring sellers in as verified."


class SellerDiffers(InputError):
    code = "seller_differs"
    sentence = "This seller is already here{where} with another {fields}; nothing was changed."


@dataclass
class SellersImported:
    """What became of a file; `rejects_file` lists each rejected line, None where there was none."""

    read: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    rejects_file: str | None = None
    codes: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        return {
            "read": self.read,
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "rejected": self.rejected,
            "rejects_file": self.rejects_file,
            "codes": dict(self.codes),
        }


@dataclass(frozen=True)
class _Import:
    """What all chunks of one import share."""

    file_name: str
    actor: Actor
    at: datetime
    trusted: bool


@durable
def import_sellers(*, path: Path, actor: Actor, at: datetime, trusted_by: str = "") -> SellersImported:
    """Bring in every line as a new seller, find it to be here already, or reject it with line number and code.

    Without `trusted_by` sellers come as `created`, with their payee account in its cool-off. With it (the address of a staff member of the
    roles lead or compliance) they come as active and payable, in that person's name, in the audit trail. A line that differs from the
    stored seller is rejected (`seller_differs`): a file never changes where somebody is paid. Killed and started again it goes on: what is
    here already counts as duplicate. A name means the house's own seller, else the only partner's that has one; one that several
    partners use and the house does not is rejected (`ambiguous_seller`). Tells `seller.created` for each. Refuses: UnusableFile, MissingColumns, UnknownStaffMember, MayNotVouch.
    """
    run = _Import(path.name[:80], _voucher(trusted_by) if trusted_by else actor, at, bool(trusted_by))
    outcome = SellersImported()
    with _RejectsFile(path, outcome) as rejects:
        lines = read_sellers(path, tiers_by_code())
        while chunk := list(itertools.islice(lines, CHUNK_LINES)):
            outcome.read += len(chunk)
            rejects.write(line for line in chunk if isinstance(line, RejectedSellerLine))
            accepted, duplicate, differing = _import_chunk([x for x in chunk if isinstance(x, SellerLine)], run)
            outcome.accepted += accepted
            outcome.duplicate += duplicate
            rejects.write(differing)
    return outcome


def _voucher(email: str) -> Actor:
    user = get_user_model().objects.filter(email__iexact=email, is_active=True, is_staff=True).first()
    if user is None:
        raise UnknownStaffMember()
    if not has_role(user, "lead", "compliance"):
        raise MayNotVouch()
    return staff(user.pk)


@transaction.atomic
def _import_chunk(lines: Sequence[SellerLine], run: _Import) -> tuple[int, int, list[RejectedSellerLine]]:
    """Import checked lines; return how many are new, how many were here, and which differ from what is here.

    Rows are inserted in the order of their external ids, so that two imports of one file wait for each other instead of deadlocking; the
    loser then finds its lines to be here already.
    """
    first_of: dict[str, SellerLine] = {}
    for line in lines:
        first_of.setdefault(line.external_id, line)
    here, ambiguous = sellers_by_name(first_of)
    new = [line for external_id, line in sorted(first_of.items()) if external_id not in here and external_id not in ambiguous]
    made = {seller.external_id: seller for seller in _make(new, run)}
    known = _with_payees(here | sellers_by_name({line.external_id for line in new} - made.keys())[0])

    rejected = [_refused(line, AmbiguousSeller(external_id=line.external_id)) for line in lines if line.external_id in ambiguous]
    unclear = len(rejected)
    again = [line for line in lines if line is not first_of[line.external_id] or line.external_id not in made]
    again = [line for line in again if line.external_id not in ambiguous]
    for line in again:
        fields = (
            _differences_of_lines(first_of[line.external_id], line)
            if line.external_id in made
            else _differences(line, *known[line.external_id])
        )
        if fields:
            partner = known[line.external_id][0].partner if line.external_id in known else None
            where = f", under the partner {partner.public_id}," if partner else ""
            rejected.append(_refused(line, SellerDiffers(fields=", ".join(fields), where=where)))
    return len(made), len(again) + unclear - len(rejected), rejected


def _refused(line: SellerLine, refusal: InputError) -> RejectedSellerLine:
    return RejectedSellerLine(line.line_no, line.external_id, refusal.code, str(refusal))


def _with_payees(sellers: dict[str, Seller]) -> dict[str, tuple[Seller, PayeeAccount | None]]:
    in_use = PayeeAccount.objects.filter(seller__in=sellers.values()).exclude(status=PayeeStatus.SUPERSEDED)
    payees = {(payee.seller_id, payee.currency): payee for payee in in_use}
    return {key: (seller, payees.get((seller.pk, seller.currency))) for key, seller in sellers.items()}


def _differences(line: SellerLine, seller: Seller, payee: PayeeAccount | None) -> list[str]:
    """Name what a line says otherwise than the stored seller; a line that names no account says nothing about it."""
    fields = [name for name in _COMPARED if line.profile[name] != getattr(seller, name)]
    fields += [name for name in ("email", "town") if line.profile[name] and line.profile[name] != getattr(seller, name)]
    if line.profile["tier"].pk != seller.tier_id:
        fields.append("tier")
    if line.payee is not None and not _same_account(line, payee):
        fields.append("payee account")
    return fields


def _same_account(line: SellerLine, payee: PayeeAccount | None) -> bool:
    return (
        line.payee is not None
        and payee is not None
        and payee.number_index == blind_index(line.payee.number)
        and (payee.kind, payee.routing_number) == (line.payee.kind, line.payee.routing_number)
        and (not line.bic_given or payee.bic == line.payee.bic)
        and payee.account_holder == line.holder
    )


def _differences_of_lines(first: SellerLine, second: SellerLine) -> list[str]:
    fields = [name for name, value in second.profile.items() if first.profile[name] != value]
    if (first.payee, first.holder) != (second.payee, second.holder):
        fields.append("payee account")
    return fields


def _make(lines: Sequence[SellerLine], run: _Import) -> list[Seller]:
    """Insert new sellers with history, floors, accounts and events; return those that were really ours to insert."""
    if not lines:
        return []
    status = SellerStatus.ACTIVE if run.trusted else SellerStatus.CREATED
    drafts = [Seller(**line.profile, status=status, created_at=run.at) for line in lines]
    Seller.objects.bulk_create(drafts, ignore_conflicts=True)
    ids = dict(Seller.objects.filter(public_id__in=[draft.public_id for draft in drafts]).values_list("public_id", "pk"))
    sellers, payees = [], []
    for line, seller in zip(lines, drafts, strict=True):
        if seller.public_id in ids:
            seller.pk = ids[seller.public_id]
            sellers.append(seller)
            if line.payee is not None:
                payees.append(_payee(seller, line, run))
    if sellers:
        _complete(sellers, payees, run)
    return sellers


def _payee(seller: Seller, line: SellerLine, run: _Import) -> PayeeAccount:
    assert line.payee is not None  # noqa: S101 - for the type checker; the caller asked
    payee = build_payee(seller, seller.currency, 1, line.payee, line.holder, actor=run.actor, at=run.at)
    if not run.trusted:
        payee.cool_off_until = run.at + timedelta(hours=seller.tier.cool_off_hours)
    return payee


def _complete(sellers: Sequence[Seller], payees: Sequence[PayeeAccount], run: _Import) -> None:
    PayeeAccount.objects.bulk_create(payees)
    # the tiers as they stand now: who changes one while the file is read holds its row, and our insert waited for it
    tiers = Tier.objects.in_bulk({seller.tier_id for seller in sellers})
    floors = [("seller.available", s.pk, s.currency, -debt_limit_minor(tiers[s.tier_id], s.currency)) for s in sellers]
    set_floors(floors=floors, actor=run.actor, at=run.at, reason="imported with its tier's debt limit")
    given = "SELECT unnest(%(ids)s::bigint[])"
    born_set(SELLER, given, {"ids": [seller.pk for seller in sellers]}, actor=run.actor, at=run.at)
    born_set(PAYEE, given, {"ids": [payee.pk for payee in payees]}, actor=run.actor, at=run.at)
    gates.opened.ask(seller_ids=[seller.pk for seller in sellers], verified=run.trusted, actor=run.actor, at=run.at)
    told = [{"seller": s.public_id, "external_id": s.external_id, "status": str(s.status)} for s in sellers]
    tell_set(
        "seller.created",
        "SELECT subject, payload, NULL::bigint FROM unnest(%(subjects)s::text[], %(payloads)s::jsonb[]) AS u(subject, payload)",
        {"subjects": [seller.public_id for seller in sellers], "payloads": [json.dumps(one) for one in told]},
        at=run.at,
    )
    if run.trusted:
        everyone = hashlib.sha256("".join(seller.public_id for seller in sellers).encode()).hexdigest()
        facts = {"file": run.file_name, "sellers": len(sellers), "payee_accounts": len(payees), "sellers_sha256": everyone}
        subject = f"{sellers[0].public_id}..{sellers[-1].public_id}"
        audit.record(run.actor, "sellers.import_trusted", subject, run.at, facts=facts)


class _RejectsFile:
    """Lists rejected lines beside the other data of this installation; made with the first one. Repeats no bank data."""

    def __init__(self, path: Path, outcome: SellersImported) -> None:
        self.name = f"{path.stem[:60]}-{secrets.token_hex(4)}.rejects.csv"
        self.outcome = outcome
        self.stream: TextIO | None = None

    def __enter__(self) -> _RejectsFile:
        return self

    def __exit__(self, *problem: object) -> None:
        if self.stream is not None:
            self.stream.close()

    def write(self, lines: Iterable[RejectedSellerLine]) -> None:
        for line in lines:
            external_id = line.external_id.encode("utf-8", "backslashreplace").decode()
            if external_id.startswith(_FORMULA_STARTS):
                external_id = f"'{external_id}"
            csv.writer(self._open()).writerow([line.line_no, external_id, line.code, line.reason])
            self.outcome.rejected += 1
            self.outcome.codes[line.code] += 1

    def _open(self) -> TextIO:
        if self.stream is None:
            folder = Path(settings.DATA_DIR) / "rejects"
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            target = folder / self.name
            self.stream = target.open("x", encoding="utf-8", newline="")
            target.chmod(0o600)
            csv.writer(self.stream).writerow(["line_no", "external_id", "code", "reason"])
            self.outcome.rejects_file = str(target)
        return self.stream
