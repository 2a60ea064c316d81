"""Sellers from files: every line accepted, duplicate or rejected; nothing silently changed."""

import csv
import json
import threading
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from backoffice.kit.outbox import Event
from backoffice.kit.states import StateChange
from backoffice.staff.models import AuditEntry
from payouts.ledger.models import Balance
from payouts.sellers import importing, reading
from payouts.sellers.models import PayeeAccount, Seller
from tests.factories.sellers import ACTOR, AT, make_iban, make_staff, make_tier

HEADER = ",".join(reading.COLUMNS)
IBAN = "FR7630006000011234567890189"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    for code in ("new", "standard", "trusted"):
        make_tier(code)


def line(external_id="a", legal_name="A SARL", entity_type="company", country="FR", currency="EUR", tier="new", schedule="weekly",
         holder="A", iban=IBAN, bic="", routing="", us_account=""):  # fmt: skip
    return ",".join(
        [external_id, legal_name, entity_type, country, currency, tier, schedule, holder, iban, bic, routing, us_account]
    )


def write(tmp_path, *lines, header=HEADER, raw=None) -> Path:
    path = tmp_path / "sellers.csv"
    path.write_bytes(raw if raw is not None else "\n".join([header, *lines, ""]).encode())
    return path


def run(path, **over):
    return importing.import_sellers(**({"path": path, "actor": ACTOR, "at": AT} | over))


def rejects_of(outcome):
    return [(int(row["line_no"]), row["code"]) for row in csv.DictReader(StringIO(Path(outcome.rejects_file).read_text()))]


def test_sellers_come_as_created_with_their_account_cooling_off(tmp_path):
    outcome = run(write(tmp_path, line()))
    seller, payee = Seller.objects.get(), PayeeAccount.objects.get()
    assert outcome.as_json() == {"read": 1, "accepted": 1, "duplicate": 0, "rejected": 0, "rejects_file": None, "codes": {}}
    assert (seller.status, payee.cool_off_until) == ("created", AT + timedelta(hours=72))
    assert payee.number == IBAN
    assert Balance.objects.get(account__holder_id=seller.pk).floor_minor == -500_00
    assert StateChange.objects.filter(subject="seller", subject_id=seller.pk).count() == 1
    assert StateChange.objects.filter(subject="payee_account", subject_id=payee.pk).count() == 1
    assert Event.objects.get(type="seller.created").subject == seller.public_id
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("role", ["lead", "compliance"])
def test_vouched_for_sellers_are_payable_at_once_in_that_persons_name(tmp_path, role):
    user = make_staff(role)
    run(write(tmp_path, line()), trusted_by=user.email.upper())
    payee = PayeeAccount.objects.get()
    assert Seller.objects.get().status == "active"
    assert (payee.cool_off_until, payee.created_by) == (AT, f"staff:{user.pk}")
    entry = AuditEntry.objects.get(action="sellers.import_trusted")
    assert (entry.actor, entry.facts["sellers"]) == (f"staff:{user.pk}", 1)


@pytest.mark.parametrize("role", ["finance", "support", "auditor", "risk"])
def test_others_may_not_vouch(tmp_path, role):
    with pytest.raises(importing.MayNotVouch):
        run(write(tmp_path, line()), trusted_by=make_staff(role).email)
    assert not Seller.objects.exists()


def test_unknown_and_inactive_people_may_not_vouch(tmp_path):
    gone = make_staff("lead", is_active=False)
    for email in ("nobody@example.com", gone.email):
        with pytest.raises(importing.UnknownStaffMember):
            run(write(tmp_path, line()), trusted_by=email)


def test_a_repeated_import_changes_nothing(tmp_path):
    path = write(tmp_path, line(), line("b", iban=make_iban()), line("jp", country="JP", currency="JPY", iban="", holder="JP"))
    run(path)
    before = list(Seller.objects.values()), list(PayeeAccount.objects.values()), Event.objects.count()
    again = run(path, trusted_by=make_staff("lead").email)
    assert (again.read, again.accepted, again.duplicate, again.rejected) == (3, 0, 3, 0)
    assert (list(Seller.objects.values()), list(PayeeAccount.objects.values()), Event.objects.count()) == before


def test_a_line_that_differs_from_the_stored_seller_is_rejected_and_changes_nothing(tmp_path):
    run(write(tmp_path, line()))
    for changed in (
        line(iban=make_iban()),
        line(holder="B"),
        line(tier="trusted"),
        line(legal_name="B SARL"),
        line(currency="USD"),
    ):
        outcome = run(write(tmp_path, changed))
        assert (outcome.accepted, outcome.duplicate, dict(outcome.codes)) == (0, 0, {"seller_differs": 1})
    assert PayeeAccount.objects.get().number == IBAN
    assert Seller.objects.get().legal_name == "A SARL"


def test_a_line_without_account_says_nothing_about_the_stored_one(tmp_path):
    run(write(tmp_path, line()))
    assert run(write(tmp_path, line(iban="", holder=""))).duplicate == 1


def test_a_seller_twice_in_one_file_counts_once(tmp_path):
    outcome = run(write(tmp_path, line(), line(), line(legal_name="Other")))
    assert (outcome.accepted, outcome.duplicate, outcome.rejected) == (1, 1, 1)
    assert rejects_of(outcome) == [(4, "seller_differs")]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (line(external_id=""), "invalid_text"),
        (line(external_id="x" * 121), "invalid_text"),
        (line(legal_name=""), "invalid_text"),
        (line(legal_name="a\x00b"), "invalid_text"),
        (line(entity_type="GmbH"), "unknown_entity_type"),
        (line(country="fr"), "unknown_country"),
        (line(currency="eur"), "unknown_currency"),
        (line(currency="BHD"), "currency_not_supported"),
        (line(tier="gold"), "unknown_tier"),
        (line(schedule="yearly"), "unknown_schedule"),
        (line(iban="FR7630006000011234567890188"), "invalid_iban"),
        (line(iban="' OR 1=1"), "invalid_iban"),
        (line(bic="DEUT"), "invalid_bic"),
        (line(holder=""), "invalid_account_holder"),
        (line(routing="021000021", us_account="123456"), "two_payee_accounts"),
        (line(iban="", currency="USD", routing="021000022", us_account="123456"), "invalid_routing_number"),
        (line(iban="", currency="USD", us_account="123456"), "invalid_routing_number"),
        (line(iban="", currency="USD", routing="021000021", us_account="12"), "invalid_account_number"),
        (line(iban="", routing="021000021", us_account="123456"), "currency_not_for_kind"),
        ("a,b,c", "wrong_number_of_fields"),
        ('"a"x,b', "unreadable_line"),
    ],
)
def test_a_bad_line_is_rejected_with_its_place_and_code_and_the_others_come_in(tmp_path, bad, code):
    outcome = run(write(tmp_path, line("before", iban=make_iban()), bad, line("after", iban=make_iban())))
    assert (outcome.read, outcome.accepted, outcome.rejected) == (3, 2, 1)
    assert rejects_of(outcome) == [(3, code)]
    assert Path(outcome.rejects_file).stat().st_mode & 0o077 == 0


def test_byte_order_mark_crlf_and_quoted_newlines_are_read(tmp_path):
    quoted = line(legal_name='"A, ""the"" shop"')
    raw = (
        b"\xef\xbb\xbf"
        + "\r\n".join([HEADER, quoted, "", line("b", iban="", legal_name='"two\r\nlines"'), line("c", iban="")]).encode()
    )
    outcome = run(write(tmp_path, raw=raw))
    assert (outcome.read, outcome.accepted) == (3, 2)
    assert Seller.objects.get(external_id="a").legal_name == 'A, "the" shop'
    assert rejects_of(outcome) == [(4, "invalid_text")]  # a name has one line


def test_other_encodings_are_rejected_line_by_line_or_as_a_file(tmp_path):
    raw = "\n".join([HEADER, line("é", iban=""), line("b", iban="")]).encode("latin-1")
    outcome = run(write(tmp_path, raw=raw))
    assert (outcome.accepted, rejects_of(outcome)) == (1, [(2, "not_utf8")])
    with pytest.raises(reading.UnusableFile):
        run(write(tmp_path, raw="\n".join([HEADER, line()]).encode("utf-16")))


def test_a_ten_megabyte_line_is_skipped_and_the_rest_is_read(tmp_path):
    raw = "\n".join([HEADER, "x" * 10_000_000, line(iban=""), '"' + "y" * 300_000 + '",b', line("b", iban="")]).encode()
    outcome = run(write(tmp_path, raw=raw))
    assert outcome.accepted == 2
    assert rejects_of(outcome) == [(2, "line_too_long"), (4, "unreadable_line")]


def test_a_quote_that_is_never_closed_is_rejected_not_guessed(tmp_path):
    outcome = run(write(tmp_path, line(iban=""), '"b,B SARL,company', line("c", iban="")))
    assert (outcome.accepted, rejects_of(outcome)) == (1, [(3, "unreadable_line")])


@pytest.mark.parametrize(
    "raw", [b"", b"a;b;c\n1;2;3\n", HEADER.replace("iban", "konto").encode(), b"\x00\x01\x02", b"PK\x03\x04"]
)
def test_a_file_that_is_something_else_is_refused_whole(tmp_path, raw):
    with pytest.raises((reading.UnusableFile, reading.MissingColumns)):
        run(write(tmp_path, raw=raw))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(reading.UnusableFile):
            run(path)


def test_rejects_are_safe_in_a_spreadsheet(tmp_path):
    outcome = run(write(tmp_path, line("=cmd()", tier="gold")))
    assert ",'=cmd()," not in HEADER and "2,'=cmd()," in Path(outcome.rejects_file).read_text()


def test_the_command_answers_json_and_exit_codes(tmp_path, capsys):
    good = write(tmp_path, line())
    call_command("import_sellers", str(good), "--json", "--at", "2026-01-05T09:00:00Z")
    assert json.loads(capsys.readouterr().out)["accepted"] == 1
    with pytest.raises(SystemExit) as partly:
        call_command("import_sellers", str(write(tmp_path, line("b", tier="gold"))), "--json")
    assert (partly.value.code, json.loads(capsys.readouterr().out)["rejected"]) == (3, 1)
    with pytest.raises(SystemExit) as unusable:
        call_command("import_sellers", str(tmp_path / "none.csv"))
    assert unusable.value.code == 2
    with pytest.raises(SystemExit) as refused:
        call_command("import_sellers", str(good), "--trusted-by", make_staff("finance").email)
    assert refused.value.code == 1


def test_chunks_commit_one_by_one_so_that_a_killed_import_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK_LINES", 2)
    path = write(tmp_path, *[line(f"s{n}", iban="") for n in range(5)])
    real, calls = importing._import_chunk, []

    def killed(lines, run):
        calls.append(len(lines))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(lines, run)

    monkeypatch.setattr(importing, "_import_chunk", killed)
    with pytest.raises(KeyboardInterrupt):
        run(path)
    assert Seller.objects.count() == 2
    again = run(path)
    assert (again.accepted, again.duplicate) == (3, 2)


@pytest.mark.races
@pytest.mark.django_db(transaction=True)
def test_two_imports_of_one_file_at_once_make_each_seller_once(tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK_LINES", 10)
    path = write(tmp_path, *[line(f"s{n:03}", iban="") for n in range(100)])
    outcomes = []

    def one():
        try:
            outcomes.append(run(path))
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert Seller.objects.count() == 100
    assert sum(outcome.accepted for outcome in outcomes) == 100
    assert sum(outcome.duplicate for outcome in outcomes) == 100


@pytest.mark.real_data
def test_the_real_sellers_come_in(tmp_path):
    path = Path(__file__).parents[4] / "shared/data/orders/sellers_2017h1.csv"
    if not path.exists():
        pytest.skip("../shared/data/orders is not here")
    outcome = run(path, trusted_by=make_staff("compliance").email)
    assert (outcome.read, outcome.accepted, outcome.rejected) == (703, 703, 0)
    assert run(path).duplicate == 703


@pytest.mark.real_data
def test_ibans_are_judged_as_others_judge_them():
    from payouts.sellers.validation import InvalidIban, parse_payee

    path = Path(__file__).parents[4] / "shared/data/iban/iban_cases.csv"
    if not path.exists():
        pytest.skip("../shared/data/iban is not here")
    with path.open(encoding="utf-8") as stream:
        for case in csv.DictReader(stream):
            try:
                parse_payee("iban", case["value"])
                verdict = "valid"
            except InvalidIban as refusal:
                verdict = "invalid"
                assert case["value"] == "" or case["value"] not in str(refusal)
            assert verdict == case["expected"], case
