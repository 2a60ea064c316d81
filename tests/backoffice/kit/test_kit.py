"""Ids, states, idempotency, gates, outbox, approvals, sealed fields, intentions of verbs."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, connections, models, transaction
from typeid import TypeID

from backoffice.kit import approvals, crypto, ids, outbox, states
from backoffice.kit.actors import Actor, staff, system
from backoffice.kit.gates import Gate, GateFailedClosed, Objection
from backoffice.kit.idempotency import KeyReused, recall
from backoffice.kit.invariants import TRUTHS, Truth, check_books
from backoffice.kit.outbox import Event, relay, subscribe, tell
from backoffice.kit.transactions import TransactionOpen, composable, durable

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
MAKER, CHECKER, OTHER = staff(1), staff(2), staff(3)


# --- ids


def test_ids_are_typeids_over_uuid7_and_sort_by_time():
    made = [ids.new_id("pay") for _ in range(50)]
    parsed = TypeID.from_string(made[0])
    assert (parsed.prefix, parsed.uuid.version if hasattr(parsed.uuid, "version") else 7) == ("pay", 7)
    assert str(parsed) == made[0]
    assert len(set(made)) == 50
    assert made[0][:12] <= made[-1][:12]


@pytest.mark.django_db
def test_ids_made_in_the_database_are_the_same_kind():
    with connection.cursor() as cursor:
        cursor.execute("SELECT kit_typeid('pay') FROM generate_series(1, 200)")
        made = [row[0] for row in cursor.fetchall()]
    assert len(set(made)) == 200
    assert all(str(TypeID.from_string(one)) == one for one in made)
    assert abs(int(TypeID.from_string(made[0]).uuid.int >> 80) - int(datetime.now(UTC).timestamp() * 1000)) < 60_000


def test_malformed_ids_have_no_prefix():
    assert ids.prefix_of("pay_01h455vb4pex5vsknk084sn02q") == "pay"
    assert [ids.prefix_of(bad) for bad in ("", "pay_", "pay_zz", "hello world", "pay_" + "u" * 26)] == [None] * 5


# --- states


class Light(models.TextChoices):
    RED = "red"
    GREEN = "green"


def test_a_machine_that_names_unknown_states_is_refused_at_import():
    with pytest.raises(ValueError, match="unknown states"):
        states.machine("lamp", "x", Light, {"": ["blue"]})
    assert "lamp" not in states.MACHINES


@pytest.mark.django_db
def test_a_move_writes_status_and_history_and_a_second_hand_is_refused():
    from payouts.holds.models import ReservePlan
    from payouts.holds.states import PLAN, PlanState
    from tests.factories.sellers import make_seller

    plan = ReservePlan.objects.create(
        seller=make_seller(),
        currency="EUR",
        kind="rolling",
        basis_points=1000,
        days=30,
        reason="r",
        seller_text="s",
        created_by="staff:1",
        created_at=AT,
    )
    states.born(PLAN, plan, actor=MAKER, at=AT)
    stale = ReservePlan.objects.get(pk=plan.pk)
    states.transition(PLAN, plan, PlanState.DISABLED, actor=MAKER, at=AT, reason="recovered")
    with pytest.raises(states.MoveNotAllowed):
        states.transition(PLAN, stale, PlanState.EXPIRED, actor=CHECKER, at=AT)
    with pytest.raises(states.MoveNotAllowed):
        states.transition(PLAN, plan, PlanState.EXPIRED, actor=CHECKER, at=AT)
    history = [(row.from_state, row.to_state, row.reason) for row in states.timeline(PLAN, plan.pk)]
    assert history == [("", "active", ""), ("active", "disabled", "recovered")]
    moved = states.transition_set(PLAN, "SELECT %(id)s::bigint AS id", {"id": plan.pk}, PlanState.ACTIVE, actor=MAKER, at=AT)
    again = states.transition_set(PLAN, "SELECT %(id)s::bigint AS id", {"id": plan.pk}, PlanState.ACTIVE, actor=MAKER, at=AT)
    assert (moved, again) == (1, 0)


# --- intentions


@pytest.mark.django_db
def test_a_durable_verb_refuses_to_run_inside_a_transaction():
    @durable
    def send() -> str:
        return "sent"

    @composable
    def book() -> str:
        return send()

    assert send() == "sent"
    with pytest.raises(TransactionOpen):
        book()


# --- idempotency


@pytest.mark.django_db
def test_a_key_answers_its_first_outcome_and_refuses_other_content():
    with transaction.atomic():
        first = recall(scope="t", key="k", content={"a": 1})
        assert first.outcome is None
        first.keep({"id": 7})
    with transaction.atomic():
        assert recall(scope="t", key="k", content={"a": 1}).outcome == {"id": 7}
        assert recall(scope="other", key="k", content={"a": 2}).outcome is None
    with pytest.raises(KeyReused):
        recall(scope="t", key="k", content={"a": 2})


@pytest.mark.django_db(transaction=True)
@pytest.mark.races
def test_two_twins_with_one_key_have_one_effect():
    effects: list[int] = []

    def twin(number: int) -> None:
        with transaction.atomic():
            memory = recall(scope="race", key="k", content={})
            if memory.outcome is None:
                effects.append(number)
                memory.keep(number)
        connections.close_all()

    twins = [threading.Thread(target=twin, args=(n,)) for n in range(8)]
    for one in twins:
        one.start()
    for one in twins:
        one.join()
    assert len(effects) == 1


# --- gates


def test_a_gate_that_crashes_or_answers_nonsense_is_a_refusal():
    gate = Gate("before")
    gate.plug("fine", lambda **facts: [])
    assert gate.ask(x=1) == []
    gate.plug("says no", lambda **facts: [Objection("block", "listed", "It is on a list.")])
    assert [objection.code for objection in gate.ask(x=1)] == ["listed"]
    gate.plug("broken", lambda **facts: 1 / 0)
    with pytest.raises(GateFailedClosed):
        gate.ask(x=1)
    gate.plug("broken", lambda **facts: None)
    with pytest.raises(GateFailedClosed):
        gate.ask(x=1)


# --- outbox


@pytest.fixture
def subscribers(monkeypatch):
    registry: dict = {}
    monkeypatch.setattr(outbox, "_subscribers", registry)
    return registry


@pytest.mark.django_db
def test_events_reach_each_consumer_once_even_when_another_fails(subscribers):
    seen: list[str] = []
    subscribe("good", "thing.*", lambda event: seen.append(event.type))
    subscribe("bad", "thing.*", lambda event: 1 / 0)
    subscribe("deaf", "other.*", lambda event: seen.append("never"))
    tell("thing.happened", subject="x_1", payload={}, at=AT)
    assert relay(at=AT) == 0
    event = Event.objects.get()
    assert (event.attempts, "ZeroDivisionError" in event.last_error) == (1, True)
    assert relay(at=AT) == 0, "it waits for its next try"
    subscribers["bad"] = ("thing.*", lambda event: seen.append("repaired"))
    assert relay(at=AT + timedelta(hours=2)) == 1
    assert seen == ["thing.happened", "repaired"]


@pytest.mark.django_db
def test_an_event_nobody_can_take_is_dead_lettered_with_its_error(subscribers):
    subscribe("bad", "*", lambda event: 1 / 0)
    tell("thing.happened", subject="x_1", payload={}, at=AT)
    for hour in range(outbox.ATTEMPTS_MAX + 2):
        relay(at=AT + timedelta(hours=2 * hour))
    event = Event.objects.get()
    assert event.dead_at is not None and event.attempts == outbox.ATTEMPTS_MAX


@pytest.mark.django_db
def test_an_event_of_a_rolled_back_fact_was_never_told(subscribers):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        tell("thing.happened", subject="x_1", payload={}, at=AT)
        raise ZeroDivisionError
    assert Event.objects.count() == 0


# --- approvals


def ask(content: str = "hash", subject: str = "run_1", **more) -> approvals.Approval:
    return approvals.request_approval(action="a", subject=subject, content_hash=content, shown={}, maker=MAKER, at=AT, **more)


def give(checker: Actor = CHECKER, content: str = "hash", at: datetime = AT, **more) -> approvals.Approval:
    return approvals.approve(action="a", subject="run_1", content_hash=content, checker=checker, at=at, **more)


@pytest.mark.django_db
def test_only_another_unbarred_person_approves_the_content_shown_in_time():
    ask(barred={str(OTHER): "changed the payee account"})
    with pytest.raises(approvals.ApproverIsMaker):
        give(MAKER)
    with pytest.raises(approvals.ApproverIsBarred):
        give(OTHER)
    with pytest.raises(approvals.ApproverIsNotAPerson):
        give(system("robot"))
    with pytest.raises(approvals.ContentChanged):
        give(content="other")
    with pytest.raises(approvals.ApprovalExpired):
        give(at=AT + timedelta(days=30))
    assert give().state == "approved"
    with pytest.raises(approvals.ApprovalNotOpen):
        give()


@pytest.mark.django_db
def test_an_approval_is_spent_once_on_its_own_content():
    ask()
    with pytest.raises(approvals.ApprovalMissing):
        approvals.use_approval(action="a", subject="run_1", content_hash="hash", at=AT)
    give()
    with pytest.raises(approvals.ContentChanged):
        approvals.use_approval(action="a", subject="run_1", content_hash="edited", at=AT)
    approvals.use_approval(action="a", subject="run_1", content_hash="hash", at=AT)
    with pytest.raises(approvals.ApprovalNotOpen):
        approvals.use_approval(action="a", subject="run_1", content_hash="hash", at=AT)


@pytest.mark.django_db
def test_new_content_voids_the_open_request_and_time_expires_it():
    first = ask("one")
    second = ask("two")
    first.refresh_from_db()
    assert (first.state, second.state) == ("void", "requested")
    assert [one.pk for one in approvals.expire_approvals(at=AT + timedelta(days=30))] == [second.pk]


@pytest.mark.django_db
def test_the_database_refuses_a_maker_who_checks():
    approval = ask()
    with pytest.raises(IntegrityError), transaction.atomic():
        approvals.Approval.objects.filter(pk=approval.pk).update(state="approved", checker=str(MAKER))
    with pytest.raises(IntegrityError), transaction.atomic():
        approvals.Approval.objects.filter(pk=approval.pk).update(state="approved", checker="")


# --- sealed fields


def test_a_sealed_value_opens_only_where_it_was_sealed(settings):
    sealed = crypto.seal("FR7630006000011234567890189", "table:row:field")
    assert "FR76" not in sealed
    assert crypto.unseal(sealed, "table:row:field") == "FR7630006000011234567890189"
    with pytest.raises(crypto.CannotUnseal):
        crypto.unseal(sealed, "table:other row:field")
    settings.FIELD_KEYS = "new:" + "QUJD" * 10 + "QUI="
    with pytest.raises(crypto.CannotUnseal):
        crypto.unseal(sealed, "table:row:field")


def test_the_blind_index_ignores_spaces_and_case():
    assert crypto.blind_index("fr76 3000 6000") == crypto.blind_index("FR7630006000")
    assert crypto.blind_index("FR7630006000") != crypto.blind_index("FR7630006001")


# --- truths


@pytest.mark.django_db
def test_a_check_that_cannot_run_is_broken_not_fine():
    broken = Truth(99, "crashes", "It crashes.", lambda: [{}][5])
    TRUTHS.append(broken)
    try:
        verdict = check_books({99})[0]
    finally:
        TRUTHS.remove(broken)
    assert not verdict.ok and "IndexError" in verdict.error
