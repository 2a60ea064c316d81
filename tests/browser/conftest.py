"""A real browser against the real server: Debian's Chromium, or whatever CHROMIUM names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from playwright.sync_api import expect

# Playwright's sync API keeps an event loop in this thread; Django would take our own look-ups for calls from async code.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A busy machine is slow, not wrong: what is expected may take its time to appear.
expect.set_options(timeout=60_000)
PASSWORD = "correct horse battery staple"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return {"executable_path": CHROMIUM, "args": QUIET}


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    return {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", "timezone_id": "Europe/Paris"}


@pytest.fixture
def quiet_server(live_server: Any, tmp_path: Path) -> Iterator[str]:
    """The server, with rails in a folder of this test."""
    from tests.factories.dispatch import rails_in

    with rails_in(tmp_path, MEDIA_ROOT=tmp_path / "media"), override_settings(ALLOWED_HOSTS=["*"]):
        yield live_server.url


@pytest.fixture
def complaints(page: Any) -> list[str]:
    """What the browser complained about: script errors, blocked resources, broken addresses."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    # A refusal is a page with status 409: Chromium notes it, and nothing is wrong.
    page.on(
        "console",
        lambda said: found.append(f"console: {said.text}") if said.type == "error" and "of 409" not in said.text else None,
    )
    page.on("response", lambda got: found.append(f"{got.status} {got.url}") if got.status >= 500 else None)
    return found


@pytest.fixture
def sign_in(page: Any, quiet_server: str) -> Callable[[Any], None]:
    """Sign somebody in through the form, out of any earlier session."""

    def signed(user: Any) -> None:
        page.context.clear_cookies()
        page.goto(f"{quiet_server}/admin/")
        page.get_by_label("Username").fill(user.username)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/admin/")

    return signed
