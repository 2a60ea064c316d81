"""Starting, sharing and ending the embedded services, with real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
OURS = ("DATABASE_URL", "DATABASE_OWNER_URL", "BROKER_URL", "SECRET_KEY", "FIELD_KEYS", "BLIND_INDEX_KEY", "BACKOFFICE_DB_ROLE")
HOLD = """
import json, os, sys
from backoffice.runtime import ensure_services
ensure_services()
print(json.dumps({name: os.environ[name] for name in sys.argv[1:]}), flush=True)
sys.stdin.read()
"""

pytestmark = [pytest.mark.chaos]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder; whatever still runs on it at the end of a test is a failure."""
    data = tmp_path / "data"
    yield data
    left = wait_until_gone(data)
    assert not left, left


@pytest.fixture(scope="module")
def _lasting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("installation") / "data"


@pytest.fixture
def installation(_lasting: Path) -> Iterator[Path]:
    """The data folder of tests that need a whole installation: its first start migrates, which takes a minute, and is made once."""
    yield _lasting
    left = wait_until_gone(_lasting)
    assert not left, left


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in OURS and not name.startswith("PYTEST")}
    return {**kept, "BACKOFFICE_DATA": str(folder)}


def start_user(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, *OURS[:6]],
        cwd=CHECKOUT,
        env=environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def facts(user: subprocess.Popen[str]) -> dict[str, str]:
    assert user.stdout is not None
    line = user.stdout.readline()
    assert line, "the services did not start"
    return dict(json.loads(line))


def leave(user: subprocess.Popen[str]) -> None:
    user.communicate("")


def kill(user: subprocess.Popen[str]) -> None:
    user.kill()
    user.communicate()


def running_on(folder: Path) -> list[str]:
    """Return the command lines of every process that has to do with `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            mentions = str(folder) in " ".join(process.cmdline()) or process.environ().get("BACKOFFICE_DATA") == str(folder)
        except psutil.Error:
            continue
        if mentions and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
            found.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
    return found


def wait_until_gone(folder: Path, seconds: float = 20) -> list[str]:
    deadline = time.monotonic() + seconds
    while (left := running_on(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def postmaster(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0]))


def query(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def test_first_starts_at_once_share_one_server_and_the_last_to_leave_stops_it(folder: Path):
    users = [start_user(folder) for _ in range(4)]
    told = [facts(user) for user in users]
    assert all(answer == told[0] for answer in told)
    for user in users[:3]:
        leave(user)
    assert query(told[0]["DATABASE_URL"], "SELECT current_user") == "backoffice_app"
    leave(users[3])
    assert not wait_until_gone(folder)


def test_data_and_secrets_survive_a_killed_user_a_killed_server_and_a_killed_keeper(folder: Path):
    first = start_user(folder)
    before = facts(first)
    query(before["DATABASE_OWNER_URL"], "CREATE TABLE kept AS SELECT 42 AS number")
    kill(first)
    assert not wait_until_gone(folder)

    second = start_user(folder)
    facts(second)
    keeper = postmaster(folder).parent()
    assert keeper is not None
    keeper.kill()
    kill(second)
    assert not wait_until_gone(folder)

    third = start_user(folder)
    after = facts(third)
    assert after["FIELD_KEYS"] == before["FIELD_KEYS"]
    assert after["SECRET_KEY"] == before["SECRET_KEY"]
    assert query(after["DATABASE_URL"], "SELECT number FROM kept") == 42
    leave(third)


def test_server_killed_under_its_users_comes_back(folder: Path):
    user = start_user(folder)
    url = facts(user)["DATABASE_URL"]
    killed = postmaster(folder)
    killed.kill()

    def answers() -> bool:
        try:
            return query(url, "SELECT 1") == 1
        except psycopg.OperationalError:
            return False

    wait_for(answers)
    assert postmaster(folder).pid != killed.pid
    leave(user)


def test_the_app_works_on_the_owners_tables_but_cannot_truncate_them(folder: Path):
    user = start_user(folder)
    urls = facts(user)
    query(urls["DATABASE_OWNER_URL"], "CREATE TABLE rows (id bigserial PRIMARY KEY, text text)")
    query(urls["DATABASE_OWNER_URL"], "CREATE EXTENSION pg_trgm")
    query(urls["DATABASE_URL"], "INSERT INTO rows (text) VALUES ('one')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(urls["DATABASE_URL"], "TRUNCATE rows")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(urls["DATABASE_URL"], "CREATE TABLE mine (id int)")
    assert query(urls["DATABASE_OWNER_URL"], "SET ROLE backoffice_app; SELECT count(*) FROM rows") is None
    leave(user)


def test_a_database_set_aside_is_kept_and_replaced_by_an_empty_one(folder: Path):
    user = start_user(folder)
    urls = facts(user)
    query(urls["DATABASE_OWNER_URL"], "CREATE TABLE torso AS SELECT 1 AS number")
    set_aside = "from backoffice.runtime import ensure_services, set_database_aside; ensure_services(); set_database_aside()"
    subprocess.run([sys.executable, "-c", set_aside], cwd=CHECKOUT, env=environment(folder), check=True)
    assert query(urls["DATABASE_URL"], "SELECT to_regclass('torso')") is None
    aside = query(urls["DATABASE_URL"], "SELECT datname FROM pg_database WHERE datname LIKE 'backoffice_2%'")
    kept = urls["DATABASE_OWNER_URL"].replace("@/backoffice?", f"@/{aside}?")
    assert query(kept, "SELECT number FROM torso") == 1
    leave(user)


def test_a_data_folder_too_deep_for_a_socket_works(tmp_path: Path):
    folder = tmp_path / ("deep-" * 20) / ("folder " * 12).strip()
    user = start_user(folder)
    assert query(facts(user)["DATABASE_URL"], "SELECT 1") == 1
    leave(user)
    assert not wait_until_gone(folder)


def test_secrets_are_for_the_owners_eyes(folder: Path):
    user = start_user(folder)
    facts(user)
    for name in ("secrets.env", "run/valkey.json", "valkey/valkey.conf"):
        assert (folder / name).stat().st_mode & 0o077 == 0, name
    assert (folder / "postgres").stat().st_mode & 0o077 == 0
    assert not [line for line in running_on(folder) if "requirepass" in line]
    leave(user)


def test_valkey_is_on_a_port_of_its_own_behind_a_password(folder: Path):
    user = start_user(folder)
    url = facts(user)["BROKER_URL"]
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    assert port not in (6379, 16379)
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(b"PING\r\n")
        assert stranger.recv(100).startswith(b"-NOAUTH")
    leave(user)


# A first start installs every table; two minutes were not enough beside a chaos run on two cores.
FIRST_START_SECONDS = 300


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def manage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=CHECKOUT, env=environment(folder), capture_output=True, text=True
    )


def start_up(folder: Path, port: int) -> subprocess.Popen[bytes]:
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "up.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(port), "--no-demo"],
            cwd=CHECKOUT,
            env=environment(folder),
            stdout=output,
            stderr=output,
        )
    wait_for(
        lambda: "Ctrl-C stops everything" in (folder.parent / "up.log").read_text() or process.poll() is not None,
        FIRST_START_SECONDS,
    )
    assert process.poll() is None, (folder.parent / "up.log").read_text()
    return process


def test_up_leaves_no_process_behind_and_starts_again(installation: Path):
    port = free_port()
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        process = start_up(installation, port)
        assert len(running_on(installation)) > 5
        process.send_signal(how)
        code = process.wait(timeout=30)
        assert code == (0 if how != signal.SIGKILL else -signal.SIGKILL)
        assert not wait_until_gone(installation, seconds=0.5 if how != signal.SIGKILL else 20)

    again = start_up(installation, port)
    again.terminate()
    assert again.wait(timeout=30) == 0


def test_a_second_up_and_a_taken_port_are_refused_in_a_sentence(installation: Path, tmp_path: Path):
    port = free_port()
    process = start_up(installation, port)

    second = manage(installation, "up", "--port", str(free_port()))
    assert second.returncode == 1
    assert "already runs" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1

    elsewhere = tmp_path / "elsewhere"
    taken = manage(elsewhere, "up", "--port", str(port))
    assert taken.returncode == 1
    assert f"Port {port}" in taken.stderr
    assert "Traceback" not in taken.stderr
    assert not (elsewhere / "postgres").exists()

    attached = manage(installation, "showmigrations", "backoffice")
    assert attached.returncode == 0, attached.stderr
    assert process.poll() is None
    process.terminate()
    process.wait(timeout=30)


def test_a_useless_port_is_a_sentence(tmp_path: Path):
    for port in ("abc", "0", "70000", "-1", "٣"):
        answer = manage(tmp_path / "unused", "up", f"--port={port}")
        assert answer.returncode == 1
        assert "The port must be a number" in answer.stderr


def test_a_data_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path):
    blocking = tmp_path / "file"
    blocking.write_text("")
    answer = manage(blocking / "data", "check")
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    assert "BACKOFFICE_DATA" in answer.stderr


def test_a_database_that_does_not_answer_is_a_sentence(tmp_path: Path):
    surroundings = {**environment(tmp_path / "data"), "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/none"}
    answer = subprocess.run(
        [sys.executable, "manage.py", "up", f"--port={free_port()}"],
        cwd=CHECKOUT,
        env=surroundings,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 1
    assert "The database does not answer" in answer.stderr
    assert "Traceback" not in answer.stderr
