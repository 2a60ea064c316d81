"""Hold the operators' pages to the code: settings, timetable, roles, queues."""

import ast
import re
from pathlib import Path

from django.conf import settings

from backoffice.kit.admin import QUEUES
from backoffice.schedule import TIMETABLE
from backoffice.staff.roles import ACTS, ROLES

ROOT = Path(settings.BASE_DIR)
PAGE = ROOT / "docs" / "operations.md"
RUNBOOKS = ROOT / "docs" / "runbooks"
# What the system, not the operator, sets.
NOT_OURS = {"PATH", "CI", "SETUP_LOCKED"}


def names_read() -> set[str]:
    """Return what the settings and the processes around them read from the environment, leaving out tests of single modules."""
    readers = [
        ROOT / "conftest.py",
        *(path for wing in ("backoffice", "payouts", "billing", "fraud") for path in (ROOT / wing).rglob("*.py")),
    ]
    found: set[str] = set()
    for path in readers:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called = ast.unparse(node.func)
                if called == "env.db_url" or re.fullmatch(
                    r"env(\.(bool|int|float|str|list|dict|json))?|os\.environ\.get", called
                ):
                    found.add(str(node.args[0].value))
    for path in (ROOT / "scripts").iterdir():
        found |= set(re.findall(r"\$\{([A-Z_]+):?-", path.read_text()))
    return found - NOT_OURS


def names_listed() -> set[str]:
    return set(re.findall(r"^# ([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M))


def table_rows(first_cell: str) -> dict[str, list[str]]:
    """Return the rows of the page's table that begins with a header cell, by their first cell."""
    lines = PAGE.read_text().split("\n")
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first_cell} |")) + 2
    rows = {}
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows[cells[0]] = cells[1:]
    return rows


def test_env_example_lists_every_variable_that_is_read():
    assert names_read() - names_listed() == set()


def test_env_example_lists_nothing_that_nobody_reads():
    read = names_read() | {"DATABASE_URL", "DATABASE_OWNER_URL", "SECRET_KEY", "FIELD_KEYS", "BLIND_INDEX_KEY"}
    elsewhere = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py")) + (ROOT / "Makefile").read_text()
    assert {name for name in names_listed() - read if f'"{name}"' not in elsewhere} == set()


def test_the_settings_table_has_every_setting_of_an_installation():
    for_installations = (ROOT / ".env.example").read_text().partition("# --- tests and tools")[0]
    wanted = set(re.findall(r"^# ([A-Z][A-Z0-9_]+)=", for_installations, re.M))
    assert {name.strip("`") for name in table_rows("name")} == wanted


def test_the_schedule_table_is_the_timetable():
    rows = table_rows("job")
    assert {name.strip("`"): (cells[1], cells[2]) for name, cells in rows.items()} == {
        job.name: (job.queue, job.what) for job in TIMETABLE.values()
    }
    seconds = {"s": 1, "min": 60, "h": 3600}
    for name, cells in rows.items():
        number, unit = cells[0].split()
        assert int(number) * seconds[unit] == TIMETABLE[name.strip("`")].every_seconds, name


def test_the_roles_table_is_what_the_roles_may_do():
    rows = table_rows("act")
    roles = list(ROLES)
    said = {
        re.search(r"`(\w+)`", act)[1]: {roles[n] for n, cell in enumerate(cells) if cell == "yes"} for act, cells in rows.items()
    }
    assert said == {
        act: {role for role, rights in ROLES.items() if f"{label}.{act}" in rights} for act, (label, _, _) in ACTS.items()
    }


def test_every_queue_of_the_desk_has_a_runbook_and_stands_in_the_list():
    listed = table_rows("queue")
    for queue in QUEUES:
        assert (RUNBOOKS / f"{queue.name}.md").exists(), queue.title
        assert f"(runbooks/{queue.name}.md)" in listed[queue.title][0]
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {
        re.search(r"runbooks/(\w+)\.md", cells[0])[1] for cells in listed.values()
    }


def test_links_between_the_pages_lead_somewhere():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []
