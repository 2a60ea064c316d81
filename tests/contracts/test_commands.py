"""What interfaces.md promises of every management command: one JSON object, exit codes 0, 1, 2 and 3, one sentence instead of a stack trace."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

import backoffice.management.commands as commands
from backoffice.kit.clock import parse_at
from backoffice.kit.commands import OperatorCommand
from fraud.features.generating import write_history
from tests.factories.books import Books, books_in, undone
from tests.factories.screening import HEAD as LIST_HEAD
from tests.factories.screening import load
from tests.factories.sellers import make_iban, make_staff
from tests.factories.subscriptions import make_customer
from tests.payouts.bankfiles import samples

pytestmark = pytest.mark.django_db
CHECKOUT = Path(__file__).resolve().parents[2]
SELLERS = "external_id,legal_name,entity_type,country,currency,tier,schedule,account_holder,iban,bic,us_routing_number,us_account_number\n"
EARNINGS = "external_id,seller,kind,order_ref,occurred_at,delivered_at,currency,gross,fee\n"
BUYERS = "order_id,payment_sequential,payment_type,payment_installments,payment_value_cents\n"
AT = "2026-02-03T09:00:00Z"


@pytest.fixture
def _django_db_helper() -> None:
    """Keep pytest-django from opening a transaction around each test: the fixtures below do."""


@dataclass(frozen=True)
class Place:
    """The small marketplace, and files of all kinds to throw at commands; texts name its parts in braces."""

    books: Books
    names: dict[str, str]


@pytest.fixture(scope="module")
def everything(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("commands")
    with django_db_blocker.unblock(), books_in(folder) as books:
        make_staff("lead", "lead@example.com")
        make_staff("finance", "finance@example.com")
        make_staff("auditor", "auditor@example.com")
        load(folder)
        names = {path.stem: str(path) for path in write_files(folder, books)} | {"list": str(folder / "list.csv")}
        names |= {"folder": str(folder), "nowhere": str(folder / "nowhere.csv"), "out": str(folder / "out")}
        names |= {"built": books.built.public_id, "handed_over": books.handed_over.public_id, "settled": books.settled.public_id}
        names["customer"] = make_customer().public_id
        write_history(path=folder / "sales.csv", events=3_000, days=40, seed=3, ends=parse_at(AT))
        names |= {"sales": str(folder / "sales.csv"), "made": str(folder / "made.parquet")}
        yield Place(books, names)


def write_files(folder: Path, books: Books) -> list[Path]:
    seller = f"new-{{}},New SARL,company,FR,EUR,standard,weekly,New SARL,{make_iban()},,,\n"
    sale = "cmd-{},{},sale,o-{},2026-01-20T10:00:00Z,,EUR,10.00,1.00\n"
    french = books.french.external_id
    texts = {
        "sellers.csv": SELLERS + seller.format(1),
        "sellers_partly.csv": SELLERS + seller.format(2) + seller.format(3).replace("EUR", "XXX"),
        "earnings.csv": EARNINGS + sale.format(1, french, 1),
        "earnings_partly.csv": EARNINGS + sale.format(2, french, 2) + sale.format(3, "nobody", 3),
        "buyers.csv": f"{BUYERS}o-77,1,card,1,1200\no-77,2,voucher,1,300\n",
        "buyers_twice.csv": f"{BUYERS}o-78,1,card,1,1200\no-78,1,card,1,1200\n",
        "headless.csv": "a,b,c\n1,2,3\n",
        "empty.csv": "",
        "one_entry.csv": f"{LIST_HEAD}\na1,Zoltan Krabbenhoft,person,,,,,\n",
    }
    data = {name: text.encode() for name, text in texts.items()} | {
        "noise.bin": bytes(range(256)) * 4,
        "unplaced.xml": samples.pain002(lines=samples.status_line("nobody-knows", "RJCT", "AC04")),
        "bomb.xml": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><Document>&a;</Document>',
    }
    for name, content in data.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in data]


@pytest.fixture
def place(everything: Place, django_db_blocker: Any) -> Iterator[Place]:
    with django_db_blocker.unblock(), undone():
        yield everything


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        """The one JSON object on standard output, which holds nothing else."""
        answer = json.loads(self.out)
        assert isinstance(answer, dict)
        return answer


def run(line: str, place: Place, *, as_json: bool = True) -> Ended:
    out, err, code = io.StringIO(), io.StringIO(), 0
    words = [word.format(**place.names) for word in line.split()]
    try:
        call_command(words[0], *words[1:], *(["--json"] if as_json else []), stdout=out, stderr=err)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


# --- what each command does when all is well: exit code, and some of the names in its answer

GOOD = [
    ("check_books", 0, "clean truths seconds"),
    (f"create_staff new@example.com --role auditor --at {AT}", 0, "email role sign_in_link"),
    (f"create_partner Acme --at {AT}", 0, "partner key scopes secret"),
    (f"import_sellers {{sellers}} --at {AT}", 0, "read accepted duplicate rejected rejects_file"),
    (f"import_sellers {{sellers}} --trusted-by lead@example.com --at {AT}", 0, "read accepted duplicate rejected rejects_file"),
    (f"import_sellers {{sellers_partly}} --at {AT}", 3, "read accepted duplicate rejected rejects_file"),
    (f"import_earnings {{earnings}} --at {AT}", 0, "read accepted duplicate rejected rejects_file totals"),
    (f"import_earnings {{earnings_partly}} --source other --at {AT}", 3, "read accepted duplicate rejected rejects_file totals"),
    (
        f"import_earnings {{earnings_partly}} --create-sellers --at {AT}",
        0,
        "read accepted duplicate rejected rejects_file totals",
    ),
    (f"mature_earnings --at {AT}", 0, "earnings matured"),
    (f"release_holds --at {AT}", 0, "released"),
    (f"plan_run --on 2026-02-03 --at {AT}", 0, "payouts skipped totals difference"),
    (f"plan_run --currency CHF --at {AT}", 0, "payouts skipped totals difference"),
    (f"refresh_run {{built}} --as finance@example.com --at {AT}", 0, "run status content_hash"),
    (f"cancel_run {{built}} --as finance@example.com --at {AT}", 0, "run status"),
    (f"approve_run {{built}} --as lead@example.com --at {AT}", 0, "run status checker"),
    (f"deny_run {{built}} --as lead@example.com --reason no --at {AT}", 0, "run status"),
    (f"submit_run {{handed_over}} --as finance@example.com --at {AT}", 0, "run status submitted stopped files"),
    ("export_run {handed_over} --out {out}", 0, "run files"),
    (f"import_bank_file {{unplaced}} --at {AT}", 3, "format statements applied unplaced duplicate_file"),
    (f"dispatch --at {AT}", 0, "taken_up unknown"),
    (f"rate_sellers --dry-run --at {AT}", 0, "version sellers levels moves"),
    (f"rate_sellers --as lead@example.com --at {AT}", 0, "version levels reviews"),
    (f"prepare_report --regime 1099k --year 2026 --as finance@example.com --at {AT}", 0, "report sellers_reported totals files"),
    (f"prepare_report --regime dac7 --year 2026 --at {AT}", 3, "report sellers_missing_data missing not_reported totals"),
    ("seal_audit --verify", 0, "sealed intact"),
    (f"rotate_field_keys --at {AT}", 0, "rotated failed"),
    (f"load_list {{list}} --format csv --name invented --at {AT}", 0, "list version new added changed removed unchanged"),
    (
        f"load_list {{list}} --format csv --name other --as lead@example.com --at {AT}",
        0,
        "list version new added changed removed",
    ),
    (f"import_buyer_payments {{buyers}} --as finance@example.com --at {AT}", 0, "read new known total"),
    (f"reconcile --at {AT}", 0, "run fetched counts coverage breaks payouts_open groups_open"),
    (f"reconcile --no-fetch --as finance@example.com --at {AT}", 0, "run counts coverage"),
    (f"advance_clock {{customer}} 2026-02-10T09:00:00Z --at {AT}", 0, "customer clock stops"),
    (f"renew_subscriptions --at {AT}", 0, "batch parked boundaries failed"),
    (f"renew_subscriptions --dry-run --at {AT}", 0, "at counts totals previous changed parked"),
    (f"make_fraud_history {{made}} --events 1000 --days 14 --at {AT}", 0, "events frauds scenarios file"),
    (
        f"backtest --expression event.amount_minor>100000 --events {{sales}} --at {AT}",
        0,
        "events hits true_hits precision recall amount_hit alerts_per_day seconds",
    ),
    (f"replay_decisions --at {AT}", 0, "sampled agreed share differing"),
    (
        f"train_model --events {{sales}} --label-delay-days 3 --as lead@example.com --at {AT}",
        0,
        "model number state rows frauds measured",
    ),
    (f"screen Krabbenhoft --country HU --birth-date 1961-04-17 --at {AT}", 0, "result threshold versions hits"),
]


@pytest.mark.parametrize(("line", "code", "names"), GOOD, ids=[line for line, _, _ in GOOD])
def test_a_command_answers_with_one_json_object_and_its_exit_code(place: Place, line: str, code: int, names: str) -> None:
    ended = run(line, place)

    assert ended.code == code, ended
    assert set(names.split()) <= set(ended.answer)
    assert "error" not in ended.answer
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("line", [line for line, _, _ in GOOD], ids=[line for line, _, _ in GOOD])
def test_a_command_speaks_to_people_too(place: Place, line: str) -> None:
    said = run(line, place, as_json=False).out

    assert said.strip()
    assert not said.lstrip().startswith("{")


# --- refusals: exit 1, with a code

REFUSED = [
    (f"build_run --currency SEK --as finance@example.com --at {AT}", "nothing_to_pay"),
    (f"approve_run {{settled}} --as lead@example.com --at {AT}", "run_not_waiting"),
    (f"approve_run {{built}} --as auditor@example.com --at {AT}", "not_permitted"),
    (f"deny_run {{built}} --as finance@example.com --reason no --at {AT}", "not_permitted"),
    (f"mature_earnings --as auditor@example.com --at {AT}", "not_permitted"),
    (f"rate_sellers --as auditor@example.com --at {AT}", "not_permitted"),
    (f"submit_run {{built}} --as finance@example.com --at {AT}", "run_not_approved"),
    (f"submit_run {{handed_over}} --as auditor@example.com --at {AT}", "not_permitted"),
    (f"cancel_run {{settled}} --as finance@example.com --at {AT}", "run_on_its_way"),
    (f"refresh_run {{settled}} --as finance@example.com --at {AT}", "run_not_waiting"),
    (f"approve_run {{built}} --as lead@example.com --content-hash 00 --at {AT}", "approved_hash_differs"),
    (f"prepare_report --regime dac7 --year 2026 --as auditor@example.com --at {AT}", "not_permitted"),
    (f"seed_demo --at {AT}", None),
    (f"reconcile --as auditor@example.com --at {AT}", "not_permitted"),
    (f"renew_subscriptions --as auditor@example.com --at {AT}", "not_permitted"),
    (f"advance_clock {{customer}} 2026-02-10T09:00:00Z --as auditor@example.com --at {AT}", "not_permitted"),
    (f"train_model --events {{sales}} --as auditor@example.com --at {AT}", "not_permitted"),
    (f"import_buyer_payments {{buyers}} --as auditor@example.com --at {AT}", "not_permitted"),
    (f"load_list {{list}} --format opensanctions-csv --name invented --at {AT}", "list_of_other_format"),
    (f"load_list {{one_entry}} --format csv --name invented --at {AT}", "list_shrinks"),
    (f"load_list {{list}} --format csv --name other --as auditor@example.com --at {AT}", "not_permitted"),
]


@pytest.mark.parametrize(("line", "code"), REFUSED, ids=[line for line, _ in REFUSED])
def test_a_refusal_exits_with_one_and_says_why_in_a_sentence(place: Place, line: str, code: str | None) -> None:
    ended = run(line, place)

    assert ended.code == 1, ended
    assert ended.answer["error"]["code"] == (code or ended.answer["error"]["code"])
    one_sentence(ended)


def one_sentence(ended: Ended) -> None:
    said = ended.err.strip()
    assert said and "\n" not in said, ended.err
    assert "Traceback" not in said and 'File "' not in said
    assert ended.answer["error"]["detail"] in said


# --- input that cannot be used: exit 2

FILES = ["{nowhere}", "{folder}", "{empty}", "{noise}", "{headless}"]
UNUSABLE = [
    *[f"import_sellers {file} --at {AT}" for file in FILES],
    *[f"import_earnings {file} --at {AT}" for file in FILES],
    *[f"import_bank_file {file} --at {AT}" for file in [*FILES, "{bomb}", "{sellers}"]],
    f"import_bank_file {{unplaced}} --as nobody@example.com --at {AT}",
    f"import_sellers {{sellers}} --trusted-by nobody@example.com --at {AT}",
    f"import_earnings {{earnings}} --as nobody@example.com --at {AT}",
    f"mature_earnings --as nobody@example.com --at {AT}",
    f"release_holds --as nobody@example.com --at {AT}",
    f"prepare_report --regime crs --year 2026 --at {AT}",
    f"prepare_report --regime dac7 --year 2022 --at {AT}",
    f"prepare_report --regime dac7 --year 2027 --at {AT}",
    f"prepare_report --regime 1099k --year -1 --at {AT}",
    f"prepare_report --regime dac7 --year 2026 --as nobody@example.com --at {AT}",
    f"rate_sellers --scorecard {{nowhere}} --at {AT}",
    f"rate_sellers --scorecard {{noise}} --at {AT}",
    f"create_partner Acme --as nobody@example.com --at {AT}",
    f"create_partner Acme --scopes everything --at {AT}",
    f"create_partner Acme --days 99999999 --at {AT}",
    f"create_partner Acme --days -1 --at {AT}",
    f"create_staff not-an-address --role auditor --at {AT}",
    f"build_run --as nobody@example.com --at {AT}",
    *[
        f"{name} {{built}} --as nobody@example.com --at {AT}"
        for name in ("approve_run", "submit_run", "cancel_run", "refresh_run")
    ],
    *[
        f"{name} run_unknown --as lead@example.com --at {AT}"
        for name in ("approve_run", "submit_run", "cancel_run", "refresh_run")
    ],
    f"approve_run pay_01h455vb4pex5vsknk084sn02q --as lead@example.com --at {AT}",
    f"approve_run %00 --as lead@example.com --at {AT}",
    "export_run run_unknown --out {out}",
    "export_run {handed_over} --out {noise}",
    f"plan_run --on yesterday --at {AT}",
    f"plan_run --on 2026-02-30 --at {AT}",
    f"plan_run --on 2099-01-01 --at {AT}",
    f"plan_run --currency GOLD --at {AT}",
    f"build_run --on 9999-12-31 --at {AT}",
    *[f"load_list {file} --format {kind} --name new --at {AT}" for file in FILES for kind in ("csv", "un-xml")],
    f"load_list {{bomb}} --format un-xml --name new --at {AT}",
    f"load_list {{list}} --format csv --name ../new --at {AT}",
    f"load_list {{list}} --format csv --name new --as nobody@example.com --at {AT}",
    f"screen Krabbenhoft --birth-date yesterday --at {AT}",
    f"screen Krabbenhoft --country France --at {AT}",
    *[f"import_buyer_payments {file} --at {AT}" for file in [*FILES, "{buyers_twice}"]],
    f"import_buyer_payments {{buyers}} --currency GOLD --at {AT}",
    f"reconcile --as nobody@example.com --at {AT}",
    f"advance_clock nobody 2026-02-10T09:00:00Z --at {AT}",
    f"advance_clock {{customer}} tomorrow --at {AT}",
    f"renew_subscriptions --as nobody@example.com --at {AT}",
    f"make_fraud_history {{folder}} --events 1000 --days 14 --at {AT}",
    f"make_fraud_history {{made}} --events 1 --at {AT}",
    f"backtest --at {AT}",
    f"backtest nothing --at {AT}",
    f"backtest --expression event.amount>1 --events {{sales}} --at {AT}",
    *[f"backtest --expression true --events {file} --at {AT}" for file in FILES],
    f"replay_decisions --sample 0 --at {AT}",
    *[f"train_model --events {file} --at {AT}" for file in FILES],
    f"train_model --days 0 --at {AT}",
    "bench screening",
]


@pytest.mark.parametrize("line", UNUSABLE)
def test_unusable_input_exits_with_two_and_says_so_in_a_sentence(place: Place, line: str) -> None:
    ended = run(line, place)

    assert ended.code == 2, ended
    assert ended.answer["error"]["code"]
    one_sentence(ended)


def operator_commands() -> dict[str, type[OperatorCommand]]:
    found = {}
    for path in sorted(Path(commands.__path__[0]).glob("[a-z]*.py")):
        command = import_module(f"{commands.__name__}.{path.stem}").Command
        if issubclass(command, OperatorCommand):
            found[path.stem] = command
    return found


# Benchmarks make a database of their own; the demo needs an empty one, and is loaded by its own test.
ELSEWHERE = {"bench", "seed_demo"}


def test_every_command_has_its_good_and_its_bad_case_here() -> None:
    tried = {line.split()[0] for line, code, _ in GOOD} | {"build_run"}

    assert set(operator_commands()) - ELSEWHERE - tried == set()


@pytest.mark.parametrize("name", [name for name, command in operator_commands().items() if command.takes_at])
def test_an_instant_nobody_can_read_is_refused_with_a_sentence(place: Place, name: str) -> None:
    line = next((line for line, *_ in [*GOOD, *REFUSED] if line.split()[0] == name), name).split(" --at ")[0]

    for at in [
        "soon",
        "2026-13-01",
        "2026-02-30T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "0000-00-00",
        "9" * 40,
        "1999-12-31",
        "2999-01-01",
    ]:
        ended = run(f"{line} --at {at}", place)

        assert ended.code == 2, ended
        one_sentence(ended)


ANY_TIME = ["mature_earnings", "release_holds", "plan_run", "build_run", "dispatch", "approve_run {built} --as lead@example.com"]


@pytest.mark.parametrize("line", ANY_TIME)
def test_the_ends_of_time_are_no_stack_trace(place: Place, line: str) -> None:
    for at in [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "2000-01-01T00:00:00+14:00",
        "2199-12-31T23:59:59-12:00",
    ]:
        ended = run(f"{line} --at {at}", place)

        assert ended.code in (0, 1, 2), ended
        assert ended.answer


@pytest.mark.parametrize(
    "line",
    [
        "approve_run {built}",
        "deny_run {built} --as lead@example.com",
        "create_staff a@example.com --role king",
        "import_earnings",
        "export_run {built}",
        "bench nothing",
    ],
)
def test_a_missing_or_impossible_option_is_a_usage_error(place: Place, line: str) -> None:
    with pytest.raises(CommandError):
        run(line, place)


def test_build_run_takes_the_money_aside_and_the_same_key_answers_the_same_run(place: Place) -> None:
    run(f"cancel_run {{built}} --at {AT}", place)
    line = f"build_run --currency CHF --all-schedules --as finance@example.com --key twice --at {AT}"

    first, second = run(line, place), run(line, place)

    assert (first.code, second.code) == (0, 0)
    assert first.answer == second.answer
    assert first.answer["totals"] == {"CHF": {"amount_minor": 10_800, "currency": "CHF"}}


def test_a_bank_file_twice_is_known_and_exits_with_zero(place: Place) -> None:
    assert run(f"import_bank_file {{unplaced}} --at {AT}", place).code == 3

    again = run(f"import_bank_file {{unplaced}} --at {AT}", place)

    assert (again.code, again.answer["duplicate_file"], again.answer["unplaced"]) == (0, True, [])


def test_a_database_that_is_not_there_is_one_sentence(place: Place) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL search_path = pg_catalog")

    ended = run(f"plan_run --at {AT}", place)

    assert (ended.code, ended.answer["error"]["code"]) == (1, "database_error")
    one_sentence(ended)


# --- the same from a shell: real processes, real standard output


@pytest.fixture(scope="module")
def shell(everything: Place, django_db_blocker: Any) -> Any:
    """manage.py in a process of its own, as the application's role on this test's database; nothing here writes."""
    with django_db_blocker.unblock():
        name = str(connection.settings_dict["NAME"])
    url = urlsplit(os.environ["DATABASE_URL"])
    environment = {**os.environ, "DATABASE_URL": url._replace(path=f"/{name}").geturl(), "BACKOFFICE_DB_ROLE": "app"}
    environment.pop("BACKOFFICE_TEST_SLOT", None)

    def manage(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *(word.format(**everything.names) for word in words)]
        return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return manage


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["plan_run", "--json"], 0),
        (["import_earnings", "{nowhere}", "--json"], 2),
    ],
)
def test_from_a_shell_standard_output_holds_one_json_object_and_nothing_else(shell: Any, words: list[str], code: int) -> None:
    done = shell(*words)

    assert done.returncode == code, done.stderr
    assert isinstance(json.loads(done.stdout), dict) and done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert code == 0 or len(done.stderr.strip().splitlines()) == 1


def test_from_a_shell_a_usage_error_exits_with_two_and_shows_the_usage(shell: Any) -> None:
    done = shell("approve_run", "--json")

    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: manage.py approve_run" in done.stderr and "Traceback" not in done.stderr
