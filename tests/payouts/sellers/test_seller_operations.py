"""Sellers and payee accounts through their verbs."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from backoffice.kit.actors import staff, system
from backoffice.kit.crypto import CannotUnseal
from backoffice.kit.errors import NotFound
from backoffice.kit.gates import GateFailedClosed, Objection
from backoffice.kit.idempotency import KeyReused
from backoffice.kit.outbox import Event
from backoffice.kit.states import MoveNotAllowed, StateChange, timeline
from backoffice.staff.models import AuditEntry
from payouts.ledger.models import Balance
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import Leg
from payouts.sellers import gates, operations, profile, queries, validation
from payouts.sellers.models import PayeeAccount, Seller
from payouts.sellers.states import PAYEE, SELLER, PayeeStatus
from tests.factories.sellers import ACTOR, AT, make_iban, make_payee, make_seller, make_tier

pytestmark = pytest.mark.django_db
PERSON = staff(7)


def create(**over):
    wanted = {
        "external_id": "s-1", "legal_name": "Café Ordinateurs SARL", "entity_type": "company", "country": "FR", "currency": "EUR",
        "tier": "new", "schedule": "weekly", "actor": ACTOR, "key": "k-1", "at": AT,
    }  # fmt: skip
    return operations.create_seller(**(wanted | over))


def change(seller, **over):
    wanted = {
        "seller_id": seller.pk, "currency": "EUR", "kind": "iban", "account_holder": "Café Ordinateurs", "number": make_iban(),
        "actor": PERSON, "at": AT,
    }  # fmt: skip
    wanted |= over
    wanted.setdefault("key", f"change:{wanted['number']}:{wanted['at']}")
    return operations.change_payee_account(**wanted)


def floor_of(seller):
    return Balance.objects.get(account__code="seller.available", account__holder_id=seller.pk).floor_minor


def test_a_new_seller_has_history_event_and_a_floor_at_its_debt_limit():
    make_tier("new")
    seller = create()
    assert seller.public_id.startswith("sel_")
    assert [change.to_state for change in timeline(SELLER, seller.pk)] == ["created"]
    assert floor_of(seller) == -500_00
    event = Event.objects.get(subject=seller.public_id)
    assert event.type == "seller.created"
    assert "Café" not in str(event.payload)


def test_floors_follow_the_exponent_of_the_currency():
    make_tier("new")
    assert floor_of(create(currency="JPY", country="JP", external_id="jp", key="jp")) == -500
    assert floor_of(create(currency="TND", country="FR", external_id="tn", key="tn")) == -500_000


def test_the_same_key_answers_the_same_seller_and_other_content_is_refused():
    make_tier("new")
    assert create().pk == create().pk
    assert Seller.objects.count() == 1
    with pytest.raises(KeyReused):
        create(legal_name="Somebody else")


def test_a_second_seller_with_the_same_external_id_is_refused():
    make_tier("new")
    create()
    with pytest.raises(operations.SellerExists):
        create(key="k-2")


@pytest.mark.parametrize(
    ("over", "refusal"),
    [
        ({"country": "France"}, validation.UnknownCountry),
        ({"country": "XX"}, validation.UnknownCountry),
        ({"currency": "EURO"}, validation.UnknownCurrency),
        ({"currency": "BHD"}, validation.CurrencyNotSupported),
        ({"tier": "gold"}, profile.UnknownTier),
        ({"schedule": "hourly"}, profile.UnknownSchedule),
        ({"entity_type": "llc"}, profile.UnknownEntityType),
        ({"email": "not an address"}, profile.InvalidEmail),
        ({"legal_name": "  "}, validation.InvalidText),
        ({"legal_name": "a\x00b"}, validation.InvalidText),
        ({"legal_name": "a" * 201}, validation.InvalidText),
        ({"external_id": "x\u202ey"}, validation.InvalidText),
    ],
)
def test_a_seller_with_bad_data_is_refused(over, refusal):
    make_tier("new")
    with pytest.raises(refusal):
        create(**over)
    assert not Seller.objects.exists()


def test_a_changed_tier_moves_the_floor_and_is_in_the_audit_trail():
    make_tier("trusted")
    seller = make_seller(tier="new")
    operations.update_seller(seller_id=seller.pk, changes={"tier": "trusted", "town": "Lyon"}, actor=PERSON, at=AT)
    assert floor_of(seller) == -50_000_00
    entry = AuditEntry.objects.get(action="seller.update")
    assert entry.facts == {"before": {"tier": "new"}, "after": {"tier": "trusted"}}


def test_a_lower_debt_limit_never_puts_the_floor_above_the_balance():
    seller = make_seller(tier="standard")
    post(
        drafts=[
            Draft(
                "refund",
                "t:1",
                [Leg("seller.available", seller.pk, "", "EUR", 1_000_00), Leg("psp.clearing", 0, "psp", "EUR", -1_000_00)],
            )
        ],
        actor=ACTOR,
        at=AT,
    )
    operations.update_seller(seller_id=seller.pk, changes={"debt_limit_minor": 0}, actor=PERSON, at=AT)
    assert floor_of(seller) == -1_000_00


def test_the_currency_of_a_seller_cannot_be_changed():
    seller = make_seller()
    with pytest.raises(profile.NotChangeable):
        operations.update_seller(seller_id=seller.pk, changes={"currency": "USD"}, actor=PERSON, at=AT)


def test_a_status_change_needs_a_reason_and_is_kept():
    seller = make_seller()
    with pytest.raises(operations.ReasonMissing):
        operations.set_seller_status(seller_id=seller.pk, to="paused", actor=PERSON, at=AT, reason=" ")
    operations.set_seller_status(seller_id=seller.pk, to="paused", actor=PERSON, at=AT, reason="asked by the seller")
    seller.refresh_from_db()
    assert (seller.status, seller.status_reason) == ("paused", "asked by the seller")
    assert AuditEntry.objects.get(action="seller.status").facts == {"from": "active", "to": "paused"}
    with pytest.raises(MoveNotAllowed):
        operations.set_seller_status(seller_id=seller.pk, to="created", actor=PERSON, at=AT, reason="back")


def test_a_seller_with_money_is_not_closed():
    seller = make_seller()
    post(
        drafts=[
            Draft("sale", "t:2", [Leg("psp.clearing", 0, "psp", "EUR", 500), Leg("seller.pending", seller.pk, "", "EUR", -500)])
        ],
        actor=ACTOR,
        at=AT,
    )
    with pytest.raises(operations.SellerHasMoney, match="pending"):
        operations.set_seller_status(seller_id=seller.pk, to="closed", actor=PERSON, at=AT, reason="left")


def test_an_unknown_seller_is_not_found():
    with pytest.raises(NotFound):
        operations.set_seller_status(seller_id=10**9, to="active", actor=PERSON, at=AT, reason="x")


def test_the_first_account_is_usable_at_once_and_a_change_cools_off():
    seller = make_seller(tier="standard")
    first = change(seller)
    assert (first.version, first.cool_off_until) == (1, AT)
    second = change(seller)
    assert (second.version, second.cool_off_until) == (2, AT + timedelta(hours=72))
    first.refresh_from_db()
    assert first.status == PayeeStatus.SUPERSEDED
    assert queries.payee_in_use(seller.pk, "EUR") == second
    assert [row.version for row in queries.payee_history(seller.pk)] == [2, 1]


def test_a_first_account_in_a_second_currency_cools_off_too():
    seller = make_seller()
    change(seller)
    dollars = change(seller, currency="USD", kind="us_account", number="12345678", routing_number="021000021")
    assert dollars.cool_off_until == AT + timedelta(hours=72)


def test_the_cool_off_is_the_tiers():
    make_tier("slow", cool_off_hours=10)
    seller = make_seller(tier="slow")
    change(seller)
    assert change(seller).cool_off_until == AT + timedelta(hours=10)


def test_the_account_already_in_use_is_refused_and_a_repeated_key_answers_the_first_result():
    seller = make_seller()
    number = make_iban()
    first = change(seller, number=number, key="one")
    assert change(seller, number=number, key="one") == first
    with pytest.raises(operations.PayeeUnchanged):
        change(seller, number=number, key="two")
    with pytest.raises(KeyReused):
        change(seller, key="one")


def test_a_change_is_told_audited_and_names_no_number():
    seller = make_seller()
    number = make_iban()
    change(seller, number=number)
    event = Event.objects.get(type="payee_account.changed")
    entry = AuditEntry.objects.get(action="payee_account.change")
    for text in (str(event.payload), str(entry.facts), entry.subject):
        assert number not in text and number[-4:] not in text and "Café" not in text
    assert entry.actor == "staff:7"


def test_the_gate_is_asked_in_the_same_transaction_and_a_crash_refuses(monkeypatch):
    seller = make_seller()
    asked = []
    monkeypatch.setattr(gates.payee_changed, "checks", {})
    gates.payee_changed.plug("recorder", lambda **facts: asked.append(facts) or [])
    first = change(seller)
    second = change(seller)
    assert [facts["old"] for facts in asked] == [None, first]
    assert asked[1]["new"] == second
    gates.payee_changed.plug("broken", lambda **facts: 1 / 0)
    with pytest.raises(GateFailedClosed), transaction.atomic():
        change(seller)
    assert queries.payee_in_use(seller.pk, "EUR") == second


def test_an_objection_blocks_the_change_or_stores_it_unusable(monkeypatch):
    seller = make_seller()
    monkeypatch.setattr(gates.payee_changed, "checks", {})
    gates.payee_changed.plug("risk", lambda **facts: [Objection("hold", "shared_account", "Another seller uses it.")])
    held = change(seller)
    assert (held.status, held.status_code) == (PayeeStatus.BLOCKED, "shared_account")
    gates.payee_changed.plug("risk", lambda **facts: [Objection("block", "listed", "It is on a list.")])
    with pytest.raises(operations.PayeeChangeBlocked, match="on a list"), transaction.atomic():
        change(seller)
    assert PayeeAccount.objects.count() == 1


def test_a_closed_seller_gets_no_payee_account():
    seller = make_seller(status="created")
    operations.set_seller_status(seller_id=seller.pk, to="closed", actor=PERSON, at=AT, reason="left")
    with pytest.raises(operations.SellerIsClosed):
        change(seller)


@pytest.mark.parametrize("holder", ["", " ", "A\nB", "A\x00B", "A\u202eB", "\ud800", "x" * 141])
def test_a_holder_with_hidden_characters_or_none_is_refused(holder):
    with pytest.raises(validation.InvalidAccountHolder):
        validation.clean_holder(holder)


def test_the_bank_marks_an_account_and_a_person_may_make_it_usable_again():
    payee = make_payee(make_seller())
    rail = system("sepa")
    operations.mark_payee_account(
        payee_account_id=payee.pk, status="closed", code="AC04", reason="account closed", actor=rail, at=AT
    )
    operations.mark_payee_account(
        payee_account_id=payee.pk, status="closed", code="AC04", reason="account closed", actor=rail, at=AT
    )
    payee.refresh_from_db()
    assert (payee.status, payee.status_code) == ("closed", "AC04")
    assert [row.to_state for row in timeline(PAYEE, payee.pk)] == ["active", "closed"]
    operations.mark_payee_account(payee_account_id=payee.pk, status="active", code="", reason="bank erred", actor=PERSON, at=AT)
    payee.refresh_from_db()
    assert (payee.status, payee.status_code) == ("active", "")


def test_marking_a_replaced_account_is_refused_to_a_person_and_left_alone_for_a_rail():
    seller = make_seller()
    old = make_payee(seller)
    make_payee(seller)
    operations.mark_payee_account(payee_account_id=old.pk, status="closed", code="AC04", reason="x", actor=system("sepa"), at=AT)
    with pytest.raises(operations.PayeeIsReplaced):
        operations.mark_payee_account(payee_account_id=old.pk, status="closed", code="AC04", reason="x", actor=PERSON, at=AT)
    old.refresh_from_db()
    assert old.status == PayeeStatus.SUPERSEDED
    with pytest.raises(operations.UnknownPayeeStatus):
        operations.mark_payee_account(payee_account_id=old.pk, status="superseded", code="", reason="x", actor=PERSON, at=AT)


def test_a_name_check_is_kept():
    payee = make_payee(make_seller())
    operations.record_name_check(payee_account_id=payee.pk, result="no_match", actor=PERSON, at=AT)
    payee.refresh_from_db()
    assert (payee.name_check, payee.name_checked_at) == ("no_match", AT)
    with pytest.raises(operations.UnknownNameCheck):
        operations.record_name_check(payee_account_id=payee.pk, result="maybe", actor=PERSON, at=AT)


def test_numbers_are_sealed_in_the_database_and_found_by_their_blind_index():
    seller = make_seller()
    number = make_iban()
    payee = make_payee(seller, number=number)
    with connection.cursor() as cursor:
        cursor.execute("SELECT p::text FROM payouts_payeeaccount p WHERE id = %s", [payee.pk])
        assert number not in cursor.fetchone()[0]
    spaced = " ".join(number[i : i + 4] for i in range(0, len(number), 4)).lower()
    assert queries.find_payee_by_number(spaced) == [payee]
    assert PayeeAccount.objects.get(pk=payee.pk).number == number
    assert number[-4:] in payee.masked and number not in payee.masked


def test_two_swapped_ciphertexts_do_not_open():
    one, two = make_payee(make_seller()), make_payee(make_seller())
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payouts_payeeaccount p SET number = q.number FROM payouts_payeeaccount q"
            " WHERE (p.id, q.id) IN ((%s, %s), (%s, %s))",
            [one.pk, two.pk, two.pk, one.pk],
        )
    with pytest.raises(CannotUnseal):
        PayeeAccount.objects.get(pk=one.pk).number  # noqa: B018 - reading it is the act


@pytest.mark.parametrize("statement", [
    "UPDATE payouts_payeeaccount SET number_index = 'x' WHERE id = %s",
    "UPDATE payouts_payeeaccount SET created_by = 'staff:1' WHERE id = %s",
    "DELETE FROM payouts_payeeaccount WHERE id = %s",
])  # fmt: skip
def test_the_database_refuses_to_change_a_version(statement):
    payee = make_payee(make_seller())
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [payee.pk])


def test_lookups_by_reference_respect_the_partner():
    seller = make_seller()
    assert queries.find_seller(seller.public_id) == queries.find_seller(seller.external_id) == seller
    with pytest.raises(NotFound):
        queries.find_seller(seller.public_id, partner_id=1)


def test_minimums_take_the_stricter_of_currency_and_country():
    from payouts.sellers.models import MinimumPayout

    MinimumPayout.objects.update_or_create(currency="EUR", country="", defaults={"amount_minor": 100})
    MinimumPayout.objects.update_or_create(currency="EUR", country="ES", defaults={"amount_minor": 2_500})
    assert queries.minimum_payout_minor("EUR", "FR") == 100
    assert queries.minimum_payout_minor("EUR", "ES") == 2_500
    assert queries.minimum_payout_minor("XXX") == 1


def test_sellers_are_locked_in_id_order():
    sellers = [make_seller() for _ in range(3)]
    with transaction.atomic():
        assert queries.lock_sellers([sellers[2].pk, sellers[0].pk, sellers[2].pk]) == [sellers[0], sellers[2]]


def test_history_and_event_share_the_fate_of_the_change():
    seller = make_seller()
    before = StateChange.objects.count(), Event.objects.count()
    with pytest.raises(RuntimeError), transaction.atomic():
        change(seller)
        raise RuntimeError
    assert (StateChange.objects.count(), Event.objects.count()) == before
