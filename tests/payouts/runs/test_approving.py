"""Approval: another person, this content, everything read again; and what happens when it is refused, refreshed or too late."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from backoffice.kit.actors import rail, staff, system
from backoffice.kit.approvals import Approval, ApproverIsBarred, ApproverIsMaker, ApproverIsNotAPerson
from backoffice.staff.models import AuditEntry
from payouts.holds.operations import place_hold, place_pause, release_hold
from payouts.ledger.queries import seller_buckets
from payouts.runs.approving import ApprovedHashDiffers, RunContentChanged, RunNotWaiting, TotalNotConfirmed
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.operations import approve_run, cancel_payout, deny_run, expire_runs, refresh_run
from payouts.sellers.models import PayeeAccount, Seller
from payouts.sellers.operations import change_payee_account, mark_payee_account, record_name_check, set_seller_status
from tests.factories.runs import AT, MAKER, give_money, make_approved_run, make_checker, make_payable_seller, make_run
from tests.factories.sellers import make_iban, make_payee, make_seller

pytestmark = pytest.mark.django_db
LATER = AT + timedelta(hours=1)


def approve(run, actor=None, **over):
    facts = {"run_id": run.pk, "content_hash": run.content_hash, "actor": actor or make_checker(), "at": LATER}
    return approve_run(**(facts | over))


def change_payee(seller, actor=MAKER, at=AT, **over):
    facts = {
        "currency": "EUR",
        "kind": "iban",
        "account_holder": "New Holder",
        "number": make_iban(),
        "key": f"change:{seller.pk}:{at}",
    }
    return change_payee_account(seller_id=seller.pk, actor=actor, at=at, **(facts | over))


def statuses(run):
    return sorted(Payout.objects.filter(run=run).values_list("status", flat=True))


def test_an_approved_run_carries_its_checker_and_spends_its_approval():
    run = make_approved_run(sellers=2)

    assert set(Payout.objects.filter(run=run).values_list("status", "checker")) == {("approved", run.checker)}
    assert (run.status, Approval.objects.get(subject=run.public_id).state) == ("approved", "used")
    assert AuditEntry.objects.filter(action="approve_run", actor=run.checker, subject=run.public_id).exists()


def test_the_maker_cannot_approve():
    maker = make_checker()
    run = make_run(sellers=1, actor=maker)

    with pytest.raises(ApproverIsMaker):
        approve(run, maker)

    assert statuses(run) == ["needs_approval"]


def test_a_machine_cannot_approve():
    with pytest.raises(ApproverIsNotAPerson):
        approve(make_run(sellers=1), system("robot"))


def test_a_run_is_approved_once():
    run = make_approved_run(sellers=1)

    with pytest.raises(RunNotWaiting, match="it is approved"):
        approve(run)


def test_the_hash_must_be_the_one_that_was_shown():
    with pytest.raises(ApprovedHashDiffers):
        approve(make_run(sellers=1), content_hash="0" * 64)


def test_who_changed_a_payee_account_in_the_run_cannot_approve_it():
    changer, seller = make_checker(), make_payable_seller()
    change_payee(seller, changer, AT - timedelta(days=10))
    run = make_run()

    with pytest.raises(ApproverIsBarred, match=f"the payee account of {seller.public_id}"):
        approve(run, changer)
    assert approve(run).status == "approved"


def test_who_entered_the_first_account_of_an_existing_seller_cannot_approve():
    changer, seller = make_checker(), make_seller()
    make_payee(seller, actor=changer, at=AT - timedelta(days=5))
    give_money(seller)

    with pytest.raises(ApproverIsBarred):
        approve(make_run(), changer)


def test_who_vouched_for_sellers_brought_from_elsewhere_may_approve():
    importer = make_checker()
    seller = make_seller(actor=importer, at=AT - timedelta(days=5))
    make_payee(seller, actor=importer, at=AT - timedelta(days=5))
    give_money(seller)

    assert approve(make_run(), importer).status == "approved"


def test_a_change_of_long_ago_bars_nobody():
    changer, seller = make_checker(), make_payable_seller(at=AT - timedelta(days=90))
    change_payee(seller, changer, AT - timedelta(days=40))

    assert approve(make_run(), changer).status == "approved"


def test_who_placed_or_released_a_hold_in_the_run_cannot_approve_it():
    placer, releaser = make_checker(), make_checker()
    held, freed = make_payable_seller(), make_payable_seller()
    facts = {
        "currency": "EUR",
        "amount_minor": 500,
        "code": "review",
        "reason": "r",
        "seller_text": "t",
        "owner": "risk",
        "at": AT,
    }
    place_hold(seller_id=held.pk, actor=placer, key="h1", **facts)
    hold = place_hold(seller_id=freed.pk, actor=MAKER, key="h2", **facts)
    release_hold(hold_id=hold.pk, actor=releaser, at=AT, reason="fine")
    run = make_run()

    for barred in (placer, releaser):
        with pytest.raises(ApproverIsBarred, match="a hold of sel_"):
            approve(run, barred)
    assert approve(run).status == "approved"


def test_who_released_a_hold_after_the_build_is_barred_too():
    releaser, seller = make_checker(), make_payable_seller()
    facts = {
        "currency": "EUR",
        "amount_minor": 500,
        "code": "review",
        "reason": "r",
        "seller_text": "t",
        "owner": "risk",
        "at": AT,
    }
    hold = place_hold(seller_id=seller.pk, actor=MAKER, key="h1", **facts)
    run = make_run()
    release_hold(hold_id=hold.pk, actor=releaser, at=AT, reason="fine")

    with pytest.raises(ApproverIsBarred):
        approve(run, releaser)


@pytest.mark.parametrize("when", ["before the run", "after it was built"])
@pytest.mark.parametrize("act", ["reactivate", "name_check"])
def test_who_vouched_for_a_payee_account_cannot_approve(act, when):
    seller, helper, other = make_payable_seller(), make_checker(), make_checker()
    payee = PayeeAccount.objects.get(seller=seller)
    run = make_run() if when == "after it was built" else None
    if act == "reactivate":
        mark_payee_account(payee_account_id=payee.pk, status="closed", code="AC04", reason="bank", actor=rail("sepa"), at=AT)
        mark_payee_account(payee_account_id=payee.pk, status="active", code="", reason="he called", actor=helper, at=AT)
    else:
        record_name_check(payee_account_id=payee.pk, result="match", actor=helper, at=AT)
        record_name_check(payee_account_id=payee.pk, result="no_match", actor=rail("vop"), at=AT - timedelta(days=40))
        record_name_check(payee_account_id=payee.pk, result="match", actor=helper, at=AT)
    run = run or make_run()

    with pytest.raises(ApproverIsBarred, match="the payee account of sel_"):
        approve(run, helper)
    if when == "before the run":
        approval = Approval.objects.get(subject=run.public_id)
        assert str(helper) in dict(approval.barred)
        with pytest.raises(IntegrityError, match="not barred"), transaction.atomic():
            Approval.objects.filter(pk=approval.pk).update(state="approved", checker=str(helper), decided_at=AT)
    approve(run, other)


# --- what changed since


def block(seller):
    set_seller_status(seller_id=seller.pk, to="blocked", actor=MAKER, at=AT, reason="fraud")


def pause(seller):
    place_pause(seller_id=seller.pk, code="review", reason="r", seller_text="t", owner="risk", actor=MAKER, key="p", at=AT)


def cancel(seller):
    cancel_payout(payout_id=Payout.objects.get(seller=seller).pk, actor=MAKER, at=AT, reason="no")


@pytest.mark.parametrize(
    ("change", "code"), [(block, "seller_not_active"), (pause, "on_hold"), (change_payee, "canceled"), (cancel, "canceled")]
)
def test_a_run_with_changed_facts_is_refused_until_it_is_refreshed(change, code):
    run = make_run(sellers=2)
    seller = Seller.objects.order_by("pk").first()
    before = run.content_hash
    change(seller)

    with pytest.raises(RunContentChanged, match=f"1 of 2 payouts .*{code}"):
        approve(run)
    refreshed = refresh_run(run_id=run.pk, actor=MAKER, at=LATER)

    assert refreshed.content_hash != before
    assert Approval.objects.filter(subject=run.public_id, state="requested").get().shown["payouts"] == 1
    with pytest.raises(ApprovedHashDiffers):
        approve(refreshed, content_hash=before)
    approve(refreshed)
    assert statuses(run) == ["approved", "canceled"]
    assert seller_buckets([seller.pk])[(seller.pk, "EUR")]["available"] == 10_000


def test_who_refreshed_a_run_cannot_approve_it():
    run = make_run(sellers=2)
    refresher = make_checker()
    block(Seller.objects.order_by("pk").first())
    refreshed = refresh_run(run_id=run.pk, actor=refresher, at=LATER)

    with pytest.raises(ApproverIsBarred, match="you refreshed this run"):
        approve(refreshed, refresher)


def test_a_run_with_nothing_left_is_cancelled_by_the_refresh():
    run = make_run(sellers=1)
    block(Seller.objects.get())

    assert refresh_run(run_id=run.pk, actor=MAKER, at=LATER).status == "canceled"


# --- step-up, refusal, expiry


def test_a_large_run_asks_for_its_total(settings):
    settings.STEP_UP_LIMIT_MINOR = 100_000
    make_payable_seller(123_450)
    make_payable_seller(900, currency="USD")
    run, checker = make_run(), make_checker()

    for typed in ("", "1234.51 EUR", "9.00 USD", "many", "1234.505 EUR"):
        with pytest.raises(TotalNotConfirmed, match=r"1,234\.50 EUR"):
            approve(run, checker, confirmed_total=typed)
    assert approve(run, checker, confirmed_total="1,234.50 eur").status == "approved"


def test_a_denied_run_gives_its_money_back():
    run = make_run(sellers=2)

    deny_run(run_id=run.pk, actor=make_checker(), at=LATER, reason="two too many")

    assert statuses(run) == ["denied", "denied"]
    for seller in Seller.objects.all():
        buckets = seller_buckets([seller.pk])[(seller.pk, "EUR")]
        assert (buckets["available"], buckets["in_payout"]) == (10_000, 0)
    assert PayoutRun.objects.get().status == "denied"


def test_a_run_nobody_approved_in_time_expires_with_its_money_back():
    run = make_run(sellers=2)
    seller = Seller.objects.first()

    assert expire_runs(at=AT + timedelta(days=29), actor=MAKER) == []
    assert [one.pk for one in expire_runs(at=AT + timedelta(days=30), actor=MAKER)] == [run.pk]

    assert statuses(run) == ["expired", "expired"]
    assert seller_buckets([seller.pk])[(seller.pk, "EUR")]["available"] == 10_000
    with pytest.raises(RunNotWaiting):
        approve(run, at=AT + timedelta(days=31))


def test_an_approved_run_nobody_submitted_expires_too():
    run = make_approved_run(sellers=1)

    expire_runs(at=AT + timedelta(days=30), actor=MAKER)

    assert (statuses(run), PayoutRun.objects.get().status) == (["expired"], "expired")


def test_the_payee_of_a_run_is_the_version_in_use():
    seller = make_payable_seller()
    run = make_run()

    assert Payout.objects.get(run=run).payee_account == PayeeAccount.objects.get(seller=seller, status="active")
    assert staff(1) != MAKER
