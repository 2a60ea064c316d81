"""The commands: what they print is JSON with the promised names, and who may not is told so."""

import io
import json
from datetime import UTC, datetime

import pytest
from django.core.management import call_command

from payouts.runs.models import Payout, PayoutRun
from tests.factories.runs import make_payable_seller
from tests.factories.sellers import make_staff

pytestmark = pytest.mark.django_db
AT = "2026-01-21T09:00:00Z"
BORN = datetime(2026, 1, 21, 8, tzinfo=UTC)


def command(name, *arguments):
    """Return (exit code, what it printed)."""
    out = io.StringIO()
    code = 0
    try:
        call_command(name, *arguments, "--json", "--at", AT, stdout=out, stderr=io.StringIO())
    except SystemExit as stopped:
        code = stopped.code
    return code, json.loads(out.getvalue())


def test_plan_build_and_approve_from_the_command_line():
    seller = make_payable_seller(9_504)
    skipped = make_payable_seller(schedule="manual")
    finance, lead = make_staff("finance"), make_staff("lead")

    code, plan = command("plan_run")
    assert (code, plan["on"], plan["currency"], plan["difference"]) == (0, "2026-01-21", None, None)
    assert [(row["seller"], row["amount"], row["rail"]) for row in plan["payouts"]] == [
        (seller.public_id, {"amount_minor": 9_504, "currency": "EUR"}, "sepa")
    ]
    assert [(row["external_id"], row["code"], row["next_on"]) for row in plan["skipped"]] == [
        (skipped.external_id, "manual_schedule", None)
    ]
    assert plan["totals"] == {"EUR": {"count": 1, "amount_minor": 9_504, "currency": "EUR"}}

    code, built = command("build_run", "--as", finance.email)
    assert (code, built["status"], built["payouts"], built["skipped"]) == (0, "needs_approval", 1, 1)
    assert built["totals"] == {"EUR": {"amount_minor": 9_504, "currency": "EUR"}}
    assert {"run", "content_hash", "expires_at"} <= set(built)

    assert command("approve_run", "latest", "--as", finance.email)[1]["error"]["code"] == "not_permitted"
    code, approved = command("approve_run", built["run"], "--as", lead.email)
    assert (code, approved["status"]) == (0, "approved")
    assert command("approve_run", "latest", "--as", lead.email)[1]["error"]["code"] == "run_not_waiting"


def test_a_run_is_refused_from_the_command_line_by_whoever_may_approve_it_and_with_a_reason():
    make_payable_seller(9_504)
    lead, finance = make_staff("lead"), make_staff("finance")
    _, built = command("build_run", "--as", finance.email)

    assert command("deny_run", "latest", "--as", finance.email, "--reason", "x")[1]["error"]["code"] == "not_permitted"
    assert command("deny_run", "latest", "--as", lead.email, "--reason", " ")[0] == 2
    code, denied = command("deny_run", built["run"], "--as", lead.email, "--reason", "Wrong day.")

    assert (code, denied["status"]) == (0, "denied")
    assert Payout.objects.get().status == "denied"
    assert command("deny_run", "latest", "--as", lead.email, "--reason", "x")[1]["error"]["code"] == "run_not_waiting"


@pytest.mark.parametrize(
    ("name", "role", "other"),
    [
        (["mature_earnings"], "finance", "compliance"),
        (["release_holds"], "compliance", "finance"),
        (["create_partner", "Shop"], "lead", "finance"),
        (["import_earnings", "{file}"], "finance", "auditor"),
    ],
)
def test_who_is_named_by_as_needs_the_permission_of_what_the_command_does(name, role, other, tmp_path):
    (tmp_path / "e.csv").write_text("external_id,seller,kind,order_ref,occurred_at,delivered_at,currency,gross,fee\n")
    words = [word.format(file=tmp_path / "e.csv") for word in name]

    code, refused = command(*words, "--as", make_staff(other).email)
    assert (code, refused["error"]["code"]) == (1, "not_permitted")
    assert command(*words, "--as", make_staff(role).email)[0] == 0
    assert command(*words, "--as", "nobody@example.com")[0] == 2
    assert command(*words)[0] == 0


def test_the_maker_is_refused_on_the_command_line_too(settings):
    make_payable_seller()
    lead = make_staff("lead", is_superuser=True)
    command("build_run", "--as", lead.email)

    code, answer = command("approve_run", "latest", "--as", lead.email)

    assert (code, answer["error"]["code"]) == (1, "approver_is_maker")


def test_the_same_key_builds_once():
    make_payable_seller()

    first, second = (command("build_run", "--key", "k1")[1]["run"] for _ in range(2))

    assert first == second
    assert PayoutRun.objects.count() == 1


def test_unusable_input_is_exit_code_two():
    assert command("plan_run", "--on", "yesterday")[0] == 2
    assert command("plan_run", "--currency", "XXQ")[0] == 2
    assert command("plan_run", "--on", "2027-01-01")[1]["error"]["code"] == "run_day_too_far"
    assert command("build_run", "--as", "nobody@example.com")[0] == 2
    assert command("approve_run", "run_unknown", "--as", make_staff("lead").email)[0] == 2


def test_nothing_to_pay_is_said_in_a_sentence():
    assert command("build_run")[1]["error"]["detail"].startswith("Nobody can be paid on 2026-01-21")


def test_a_run_can_be_cancelled_and_refreshed():
    make_payable_seller()
    command("build_run")
    assert command("refresh_run", "latest")[1]["payouts"] == 1

    assert command("cancel_run", "latest", "--reason", "wrong day")[1]["status"] == "canceled"
    assert Payout.objects.get().status_reason == "wrong day"


def test_catch_up_pays_whatever_the_schedule():
    make_payable_seller(schedule="weekly", at=BORN)

    assert command("plan_run")[1]["payouts"] == []
    assert len(command("plan_run", "--all-schedules")[1]["payouts"]) == 1
