"""Verbs on sellers and payee accounts. Each locks the seller first, so that a payout run and a change never cross."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from backoffice.kit.actors import Actor
from backoffice.kit.crypto import blind_index
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import recall
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.ledger.operations import set_floors
from payouts.ledger.queries import seller_buckets
from payouts.sellers import gates, profile, validation
from payouts.sellers.models import EntityType, NameCheck, PayeeAccount, Seller, Tier
from payouts.sellers.queries import debt_limit_minor, lock_seller, payee_in_use
from payouts.sellers.states import PAYEE, SELLER, PayeeStatus, SellerStatus


class SellerExists(Refusal):
    code = "seller_exists"
    sentence = "There is already a seller with the external id {external_id}."


class SellerHasMoney(Refusal):
    code = "seller_has_money"
    sentence = "The seller still has money in {buckets} ({currency}); pay it out or settle it before closing."


class SellerIsClosed(Refusal):
    code = "seller_is_closed"
    sentence = "The seller is closed; nothing about it changes any more."


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept in the history."


class PayeeUnchanged(Refusal):
    code = "payee_unchanged"
    sentence = "This is the payee account already in use; nothing was changed."


class PayeeChangeBlocked(Refusal):
    code = "payee_change_blocked"
    sentence = "The payee account was not changed: {why}"


class PayeeIsReplaced(Refusal):
    code = "payee_is_replaced"
    sentence = "This payee account was replaced by a newer one."


class UnknownPayeeStatus(InputError):
    code = "unknown_payee_status"
    sentence = "A payee account cannot be marked {status}."


class StatusChangeRefused(Refusal):
    code = "status_change_refused"
    sentence = "The status was not changed: {why}"


class FormIsFixed(Refusal):
    code = "form_is_fixed"
    sentence = "A consumer does not become a shop, nor a shop a consumer: tax reports tell the two apart. Open another one for the other trade."


class UnknownNameCheck(InputError):
    code = "unknown_name_check"
    sentence = "{result} is not a result of a name check."


@composable
def create_seller(
    *,
    external_id: str,
    legal_name: str,
    entity_type: str,
    country: str,
    currency: str,
    tier: str,
    schedule: str,
    actor: Actor,
    key: str,
    at: datetime,
    email: str = "",
    town: str = "",
    partner_id: int | None = None,
    status: str = SellerStatus.CREATED,
) -> Seller:
    """Open a seller with a balance that may fall to its tier's debt limit; the same key answers the same seller.

    `tier` is a tier's code. A seller that is opened as active was verified by the actor elsewhere. Tells `seller.created`. Refuses: SellerExists, KeyReused, and what `profile.check_profile` refuses.
    """
    given = {
        "external_id": external_id, "legal_name": legal_name, "entity_type": entity_type, "country": country,
        "currency": currency, "tier": tier, "schedule": schedule, "email": email, "town": town,
    }  # fmt: skip
    earlier = recall(scope="create_seller", key=f"{partner_id or ''}:{key}", content=given | {"status": status})
    if earlier.outcome is not None:
        return Seller.objects.select_related("tier").get(pk=earlier.outcome)

    checked = profile.check_profile(given)
    seller = Seller(**checked, partner_id=partner_id, status=status, created_at=at)
    try:
        with transaction.atomic():
            seller.save(force_insert=True)
    except IntegrityError:
        raise SellerExists(external_id=checked["external_id"]) from None

    born(SELLER, seller, actor=actor, at=at)
    _set_floor(seller, actor, at)
    gates.opened.ask(seller_ids=[seller.pk], verified=status == SellerStatus.ACTIVE, actor=actor, at=at)
    earlier.keep(seller.pk)
    tell("seller.created", subject=seller.public_id, payload=_told(seller), at=at, partner_id=partner_id)
    return seller


@composable
def update_seller(*, seller_id: int, changes: Mapping[str, Any], actor: Actor, at: datetime) -> Seller:
    """Change what `profile.CHANGEABLE` lists; the currency stays, since balances and payouts were made in it.

    Under a lower debt limit a debt that is larger already grows no further, and may only shrink to it. Tells `seller.updated` with the names of what changed. Refuses:
    NotFound, SellerIsClosed, FormIsFixed, and what `profile.check_changes` refuses.
    """
    seller = lock_seller(seller_id)
    if seller.status == SellerStatus.CLOSED:
        raise SellerIsClosed()

    checked = profile.check_changes(changes)
    changed = [name for name, value in checked.items() if getattr(seller, name) != value]
    if not changed:
        return seller
    if "entity_type" in changed and EntityType.CONSUMER in (seller.entity_type, checked["entity_type"]):
        raise FormIsFixed()

    before = {name: profile.fact(seller, name) for name in changed if name in profile.AUDITED}
    for name in changed:
        setattr(seller, name, checked[name])
    seller.save(update_fields=changed)

    if {"tier", "debt_limit_minor"} & set(changed):
        _set_floor(seller, actor, at)
    if before:
        after = {name: profile.fact(seller, name) for name in before}
        audit.record(actor, "seller.update", seller.public_id, at, facts={"before": before, "after": after})
    gates.data_changed.ask(seller=seller, changed=changed, actor=actor, at=at)
    tell(
        "seller.updated",
        subject=seller.public_id,
        payload=_told(seller) | {"changed": sorted(changed)},
        at=at,
        partner_id=seller.partner_id,
    )
    return seller


@composable
def set_seller_status(*, seller_id: int, to: str, actor: Actor, at: datetime, reason: str) -> Seller:
    """Activate, review, pause, resume, block or close a seller; a seller with money in any bucket is not closed.

    Whether a seller may become active its requirements say (`gates.status_change`). Tells `seller.status_changed`. Refuses: NotFound,
    ReasonMissing, MoveNotAllowed, SellerHasMoney, StatusChangeRefused.
    """
    seller = lock_seller(seller_id)
    if not reason.strip():
        raise ReasonMissing()
    if to == SellerStatus.CLOSED:
        _check_empty(seller)

    before = seller.status
    if SELLER.allows(before, str(to)):
        for objection in gates.status_change.ask(seller=seller, to=str(to), actor=actor, at=at, reason=reason):
            raise StatusChangeRefused(why=objection.reason)
    transition(SELLER, seller, to, actor=actor, at=at, reason=reason)
    seller.status_reason = reason
    seller.save(update_fields=["status_reason"])

    audit.record(actor, "seller.status", seller.public_id, at, reason=reason, facts={"from": before, "to": str(to)})
    tell(
        "seller.status_changed",
        subject=seller.public_id,
        payload=_told(seller) | {"from": before, "to": str(to)},
        at=at,
        partner_id=seller.partner_id,
    )
    return seller


@composable
def change_payee_account(
    *,
    seller_id: int,
    currency: str,
    kind: str,
    account_holder: str,
    number: str,
    bic: str = "",
    routing_number: str = "",
    actor: Actor,
    key: str,
    at: datetime,
    trusted: bool = False,
) -> PayeeAccount:
    """Make a new version of where a seller is paid in a currency; the version before is replaced, never edited.

    A change starts the tier's cool-off; a seller's first account and a trusted one are usable at once. In the same transaction
    `gates.payee_changed` is asked, where open payouts are taken off the old account. Tells `payee_account.changed`. Refuses: NotFound,
    SellerIsClosed, PayeeUnchanged, PayeeChangeBlocked, KeyReused, and what `validation` refuses.
    """
    seller = lock_seller(seller_id)
    earlier = recall(
        scope=f"change_payee_account:{seller.public_id}",
        key=key,
        content=[currency, kind, blind_index(number), blind_index(account_holder), bic, routing_number],
    )
    if earlier.outcome is not None:
        return PayeeAccount.objects.get(pk=earlier.outcome)

    if seller.status == SellerStatus.CLOSED:
        raise SellerIsClosed()
    validation.check_currency(currency)
    validation.check_kind_fits(kind, currency)
    holder = validation.clean_holder(account_holder)
    parsed = validation.parse_payee(kind, number, bic, routing_number, seller.country)
    old = payee_in_use(seller.pk, currency)
    if old is not None and _same(old, parsed, holder):
        raise PayeeUnchanged()

    new = _replace(seller, currency, old, parsed, holder, actor=actor, at=at, trusted=trusted)
    _ask_gate(seller, old, new, actor, at)
    earlier.keep(new.pk)

    audit.record(
        actor,
        "payee_account.change",
        new.public_id,
        at,
        facts={"seller": seller.public_id, "currency": currency, "version": new.version, "trusted": trusted,
               "replaced": old.public_id if old else None},
    )  # fmt: skip
    tell(
        "payee_account.changed",
        subject=new.public_id,
        payload={"seller": seller.public_id, "currency": currency, "version": new.version, "status": str(new.status),
                 "cool_off_until": new.cool_off_until.isoformat(), "replaced": old.public_id if old else None},
        at=at,
        partner_id=seller.partner_id,
    )  # fmt: skip
    return new


def _replace(
    seller: Seller,
    currency: str,
    old: PayeeAccount | None,
    parsed: validation.ParsedPayee,
    holder: str,
    *,
    actor: Actor,
    at: datetime,
    trusted: bool,
) -> PayeeAccount:
    first = not PayeeAccount.objects.filter(seller=seller).exists()
    cool_off = timedelta() if first or trusted else timedelta(hours=seller.tier.cool_off_hours)
    if old is not None:
        transition(PAYEE, old, PayeeStatus.SUPERSEDED, actor=actor, at=at)
    new = build_payee(seller, currency, old.version + 1 if old else 1, parsed, holder, actor=actor, at=at)
    new.cool_off_until = at + cool_off
    new.save(force_insert=True)
    born(PAYEE, new, actor=actor, at=at)
    return new


def build_payee(
    seller: Seller, currency: str, version: int, parsed: validation.ParsedPayee, holder: str, *, actor: Actor, at: datetime
) -> PayeeAccount:
    """Return an unsaved version, sealed, usable at once; shared with the import."""
    return PayeeAccount(
        seller=seller,
        currency=currency,
        version=version,
        kind=parsed.kind,
        account_holder=holder,
        number=parsed.number,
        routing_number=parsed.routing_number,
        number_index=blind_index(parsed.number),
        last4=parsed.last4,
        bic=parsed.bic,
        bank_name=parsed.bank_name,
        country=parsed.country,
        created_by=str(actor),
        created_at=at,
        cool_off_until=at,
    )


def _same(old: PayeeAccount, parsed: validation.ParsedPayee, holder: str) -> bool:
    return (
        old.number_index == blind_index(parsed.number)
        and (old.kind, old.routing_number, old.bic) == (parsed.kind, parsed.routing_number, parsed.bic)
        and old.account_holder == holder
    )


def _ask_gate(seller: Seller, old: PayeeAccount | None, new: PayeeAccount, actor: Actor, at: datetime) -> None:
    objections = gates.payee_changed.ask(seller_id=seller.pk, currency=new.currency, old=old, new=new, actor=actor, at=at)
    for objection in objections:
        if objection.effect != "hold":
            raise PayeeChangeBlocked(why=objection.reason)
    if objections:
        first = objections[0]
        _mark(new, PayeeStatus.BLOCKED, first.code, first.reason, actor, at)


@composable
def mark_payee_account(*, payee_account_id: int, status: str, code: str, reason: str, actor: Actor, at: datetime) -> PayeeAccount:
    """Mark a payee account as the bank's answer says (`code` such as AC04), or as usable again.

    Who says it is usable again may not approve the next run that pays there. An account that was replaced meanwhile is refused
    (PayeeIsReplaced) to a person, and left as it is for a rail. Marking it what it is already changes nothing. Tells `payee_account.marked`. Refuses: NotFound, UnknownPayeeStatus, MoveNotAllowed, PayeeIsReplaced.
    """
    payee = _lock_payee(payee_account_id)
    if status not in PayeeStatus.values or status == PayeeStatus.SUPERSEDED:
        raise UnknownPayeeStatus(status=str(status)[:20])
    if payee.status == PayeeStatus.SUPERSEDED:
        if actor.is_person:
            raise PayeeIsReplaced()
        return payee
    if payee.status == status:
        return payee

    before = payee.status
    _mark(payee, status, code, reason, actor, at)
    audit.record(
        actor, "payee_account.mark", payee.public_id, at, reason=reason, facts={"from": before, "to": str(status), "code": code}
    )
    tell(
        "payee_account.marked",
        subject=payee.public_id,
        payload={"seller": payee.seller.public_id, "currency": payee.currency, "status": str(status), "code": code},
        at=at,
        partner_id=payee.seller.partner_id,
    )
    return payee


def _mark(payee: PayeeAccount, status: str, code: str, reason: str, actor: Actor, at: datetime) -> None:
    transition(PAYEE, payee, status, actor=actor, at=at, reason=reason, code=code)
    payee.status_code = "" if status == PayeeStatus.ACTIVE else code[:20]
    if status == PayeeStatus.ACTIVE:
        payee.reactivated_by, payee.reactivated_at = str(actor), at
    payee.save(update_fields=["status_code", "reactivated_by", "reactivated_at"])


@composable
def record_name_check(*, payee_account_id: int, result: str, actor: Actor, at: datetime) -> PayeeAccount:
    """Keep what the verification of payee answered for an account; a person who records it may not approve the next run that pays there.

    Tells `payee_account.name_checked`. Refuses: UnknownNameCheck, NotFound.
    """
    payee = _lock_payee(payee_account_id)
    if result not in NameCheck.values:
        raise UnknownNameCheck(result=str(result)[:20])

    payee.name_check, payee.name_checked_at, payee.name_checked_by = result, at, str(actor)
    payee.save(update_fields=["name_check", "name_checked_at", "name_checked_by"])

    if actor.is_person:
        audit.record(actor, "payee_account.name_check", payee.public_id, at, facts={"result": str(result)})
    tell(
        "payee_account.name_checked",
        subject=payee.public_id,
        payload={"seller": payee.seller.public_id, "currency": payee.currency, "result": str(result)},
        at=at,
        partner_id=payee.seller.partner_id,
    )
    return payee


def _lock_payee(payee_account_id: int) -> PayeeAccount:
    """Lock the seller, then its payee account; a rival that replaces the account holds the seller's lock too."""
    seller_id = PayeeAccount.objects.filter(pk=payee_account_id).values_list("seller_id", flat=True).first()
    if seller_id is None:
        raise NotFound(what="payee account", ref=payee_account_id)
    seller = lock_seller(seller_id)
    payee = PayeeAccount.objects.select_for_update(no_key=True).get(pk=payee_account_id)
    payee.seller = seller
    return payee


def _set_floor(seller: Seller, actor: Actor, at: datetime) -> None:
    """Decide the floor by the terms as they stand: whoever changes the tier meanwhile holds its row, and our saved seller waited for it."""
    own = seller.debt_limit_minor
    tier = Tier.objects.get(pk=seller.tier_id)
    floor = -debt_limit_minor(tier, seller.currency, own)
    reason = f"tier {tier.code}" if own is None else "the seller's own debt limit"
    set_floors(floors=[("seller.available", seller.pk, seller.currency, floor)], actor=actor, at=at, reason=reason)


def _check_empty(seller: Seller) -> None:
    for (_, currency), buckets in seller_buckets([seller.pk]).items():
        filled = [name for name, amount in buckets.items() if amount and name != "total"]
        if filled:
            raise SellerHasMoney(buckets=", ".join(filled), currency=currency)


def _told(seller: Seller) -> dict[str, Any]:
    """What events say of a seller: no name, no address."""
    return {"seller": seller.public_id, "external_id": seller.external_id, "status": str(seller.status)}
