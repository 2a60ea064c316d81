"""The analyst's screens, the API and the commands: a rule is written, told of its mistake, tried, approved by another, and decides."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from backoffice.kit.ids import new_id
from fraud.decisions.models import Backtest, Decision, DecisionReview
from fraud.decisions.testing import run_backtests
from fraud.decisions.trial import try_on_file
from fraud.features.consuming import pull
from fraud.features.models import FraudEvent, FraudLabel
from fraud.features.recording import label_event
from fraud.rules.models import RuleVersion
from tests.factories.fraud import AT, MAKER, ROBOT, ask, make_listed, make_live, make_shadow
from tests.factories.partners import make_client
from tests.factories.sellers import make_seller, make_staff, make_tier

pytestmark = pytest.mark.django_db
RULE = {
    "name": "large-amounts", "point": "sale", "expression": "event.amount_minr > 50000", "effect": "hold", "score": 0, "code": "large_amount",
    "operator_text": "Large for this seller.", "seller_text": "We look at it.", "expected_basis_points": 10000, "daily_ceiling": 1000,
    "review_days": 3, "shadow_hours": 24,
}  # fmt: skip


def client_of(role: str) -> Client:
    client = Client()
    client.force_login(make_staff(role))
    return client


def press(client: Client, address: str, **asked: Any) -> Any:
    return client.post(address, {"key": new_id("frm"), **asked})


def test_an_analyst_writes_a_rule_is_told_of_the_mistake_and_another_approves() -> None:
    risk, lead = client_of("risk"), client_of("lead")
    write = "/admin/fraud/ruleversion/do/write/"
    assert "Did you mean “event.amount_minor”?" in press(risk, write, **RULE).content.decode()
    assert press(risk, write, **RULE | {"expression": "event.amount_minor > 50000"}).status_code == 302
    version = RuleVersion.objects.get()
    do = f"/admin/fraud/ruleversion/{version.pk}/do/"
    assert press(risk, f"{do}shadow/").status_code == 302
    assert "has to stay in the shadow" in press(risk, f"{do}ask_approval/", reason="r").content.decode()
    RuleVersion.objects.filter(pk=version.pk).update(shadow_at=AT - timedelta(days=3))
    assert press(risk, f"{do}ask_approval/", reason="good").status_code == 302
    assert press(risk, f"{do}approve/", reason="r").status_code == 403
    assert press(lead, f"{do}approve/", reason="seen").status_code == 302
    assert press(lead, f"{do}live/", reason="now").status_code == 302
    assert ask(amount_minor=90_000).outcome == "hold"
    review = DecisionReview.objects.get()
    assert press(risk, f"/admin/fraud/decisionreview/{review.pk}/do/allow/", reason="fine").status_code == 302


def test_every_screen_opens_and_lists_cost_the_same_whatever_they_hold(django_assert_max_num_queries: Any) -> None:
    make_live("event.amount_minor > 1000 && device.count_1h > 3 && buyer.count_24h > 0", effect="review")
    make_listed("watched", "buyer", "b1")
    for _ in range(8):
        ask()
    lead = client_of("lead")
    for model in ("decision", "decisionreview", "ruleversion", "listedvalue", "backtest", "replay"):
        with django_assert_max_num_queries(22):
            assert lead.get(f"/admin/fraud/{model}/").status_code == 200
    page = lead.get(f"/admin/fraud/decision/{Decision.objects.first().pk}/change/").content.decode()
    assert "device.count_1h &gt; 3" in page and "missing" in page
    version, review = RuleVersion.objects.get(), DecisionReview.objects.first()
    assert "What it looks at" in lead.get(f"/admin/fraud/ruleversion/{version.pk}/change/").content.decode()
    assert lead.get(f"/admin/fraud/decisionreview/{review.pk}/change/").status_code == 200
    assert "buyer.mean_amount_30d" in lead.get("/admin/fraud/ruleversion/catalogue/").content.decode()
    assert lead.get("/admin/").status_code == 200


def test_a_back_test_from_the_desk_stands_side_by_side_with_what_is_live() -> None:
    make_live("event.amount_minor > 4000", name="amounts")
    for number in range(6):
        decision = ask(buyer="b1", amount_minor=1_000 * (number + 1), at=AT, ref=f"e{number}")
        if number != 5:
            label_event(
                event_id=decision.event_id, is_fraud=number >= 3, source="analyst", actor=ROBOT, at=AT + timedelta(days=1)
            )
    draft = make_shadow("buyer.sum_amount_24h > 5000 && event.amount_minor > 2000", name="amounts")
    risk = client_of("risk")
    assert press(risk, f"/admin/fraud/ruleversion/{draft.pk}/do/backtest/", days=366).status_code == 302
    Backtest.objects.update(from_at=AT - timedelta(days=5), to_at=AT + timedelta(days=5))
    assert run_backtests(actor=MAKER, at=AT) == 1
    test = Backtest.objects.get()
    assert test.state == "done" and test.done == 6
    mine, live = test.answer, test.answer["live"]
    assert (mine["events"], mine["hits"], mine["true_hits"], mine["recall"], mine["hits_without_label"]) == (6, 4, 2, 1.0, 0.25)
    assert (live["hits"], live["precision"], live["amount_hit"]) == (2, 1.0, {"amount_minor": 11_000, "currency": "EUR"})
    page = risk.get(f"/admin/fraud/backtest/{test.pk}/change/").content.decode()
    assert "Live now" in page and "100 %" in page


def events_file(folder: Path, rows: int) -> Path:
    path = folder / "events.csv"
    lines = [
        f"e{n},2026-03-{1 + n // 24:02d}T{n % 24:02d}:00:00Z,b{n % 3},s{n % 2},{100 * (n % 7)},EUR,{int(n % 7 == 6)}"
        for n in range(rows)
    ]
    path.write_text("event_id,at,buyer,seller,amount_minor,currency,is_fraud\n" + "\n".join(lines) + "\n")
    return path


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    out, code = StringIO(), 0
    try:
        call_command("backtest", *arguments, "--json", stdout=out, stderr=StringIO())
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, json.loads(out.getvalue())


def test_the_command_tries_an_expression_on_a_labelled_file_or_says_what_is_wrong(tmp_path: Path) -> None:
    path = events_file(tmp_path, 70)
    code, answer = run("--expression", "event.amount_minor >= 500 && buyer.count_24h >= 2", "--events", str(path))
    assert code == 0
    assert (answer["events"], answer["hits"], answer["true_hits"], answer["precision"], answer["recall"]) == (
        70,
        20,
        10,
        0.5,
        1.0,
    )
    assert answer["amount_hit"] == {"amount_minor": 11_000, "currency": "EUR"} and answer["alerts_per_day"] == round(
        20 / (69 / 24), 3
    )
    for arguments, words in (
        (["--expression", "buyer.cont_24h > 1", "--events", str(path)], "buyer.count_24h"),
        (["--expression", "true", "--events", str(tmp_path / "none.csv")], "no such file"),
        (["--expression", "true"], "--events"),
        (["no-such-rule"], "no rule"),
    ):
        code, answer = run(*arguments)
        assert code == 2 and words in answer["error"]["detail"]
    path.write_text("event_id,at\n1,2\n")
    assert "columns are missing" in run("--expression", "true", "--events", str(path))[1]["error"]["detail"]
    make_live("event.amount_minor > 1000", name="amounts")
    assert run("amounts")[0] == 0


def test_parquet_reads_as_csv_does_and_labels_count_from_when_they_were_known(tmp_path: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    path = events_file(tmp_path, 400)
    parquet = tmp_path / "events.parquet"
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(path), parquet)
    expression = "seller.fraud_rate_7d > 0.15"
    one, other = (try_on_file(expression=expression, path=file) for file in (path, parquet))
    assert {key: one[key] for key in one if key != "seconds"} == {key: other[key] for key in other if key != "seconds"}
    # nothing is known of the first week
    assert 0 < one["hits"] < 400 - 7 * 24
    assert try_on_file(expression=expression, path=path, label_delay_days=300)["hits"] == 0


@pytest.mark.bench
def test_a_hundred_thousand_decisions_a_second_over_stored_features() -> None:
    from fraud.rules.cel import compile_expression
    from fraud.rules.columns import column, evaluate_all

    compiled = compile_expression(
        "event.amount_minor > 5000 && seller.age_days < 30 && buyer.count_24h > 3 && !(event.country in ['DE', 'FR'])"
    )
    rows = 200_000
    values = {"event.amount_minor": [n % 9_000 for n in range(rows)], "seller.age_days": [n % 60 for n in range(rows)]}
    values |= {"buyer.count_24h": [n % 8 for n in range(rows)], "event.country": [["DE", "US", None][n % 3] for n in range(rows)]}
    started = time.perf_counter()
    evaluate_all(compiled, {name: column(name, some) for name, some in values.items()}, rows)
    assert rows / (time.perf_counter() - started) > 100_000


def test_a_partner_asks_and_reads_and_is_told_only_what_the_seller_may_read() -> None:
    make_tier()
    client = make_client()
    seller = make_seller(partner_id=client.partner.pk)
    make_live("event.amount_minor > 1000 && buyer.count_1h >= 2", code="too_fast")
    asked = {
        "kind": "sale",
        "event_id": "o1",
        "seller": seller.public_id,
        "amount": {"amount_minor": 5000, "currency": "EUR"},
        "buyer": "c1",
    }
    first = client.post("decisions", asked)
    second = client.post("decisions", asked | {"event_id": "o2"})
    assert (first.status_code, first.json()["outcome"], second.json()["outcome"]) == (201, "allow", "hold")
    assert second.json()["code"] == "too_fast" and "count_1h" not in second.content.decode()
    assert client.get(f"decisions/{second.json()['id']}").json() == second.json()
    again = client.post("decisions", asked | {"event_id": "o2"})
    assert again.json()["id"] == second.json()["id"] and FraudEvent.objects.count() == 2
    differs = client.post("decisions", asked | {"event_id": "o2", "amount": {"amount_minor": 1, "currency": "EUR"}})
    assert differs.status_code == 201 and differs.json()["id"] == second.json()["id"]
    assert client.post("decisions", asked | {"event_id": "o3", "buyer": "a@b.example"}).status_code == 422


def test_sales_are_copied_once_and_a_chargeback_labels_its_sale() -> None:
    from payouts.earnings.lines import EarningLine
    from payouts.earnings.operations import record_earnings

    make_tier()
    seller = make_seller()
    lines = [
        EarningLine(1, "x1", seller.external_id, "sale", "o-1", AT.isoformat(), "", "EUR", "50.00", "0"),
        EarningLine(2, "x2", seller.external_id, "chargeback", "o-1", AT.isoformat(), "", "EUR", "50.00", "0"),
    ]
    booked = record_earnings(lines=lines, source="shop", actor=ROBOT, at=AT)
    assert [one.outcome for one in booked] == ["accepted", "accepted"], booked
    pull(at=AT)
    pull(at=AT)
    event, label = FraudEvent.objects.get(), FraudLabel.objects.get()
    assert (event.ref, event.amount_minor, event.seller) == ("shop:x1", 5_000, seller.public_id)
    assert label.is_fraud and label.event_id == event.pk and label.source == "chargeback"
