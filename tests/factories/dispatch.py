"""Runs on their way: submitted runs, rails that live in a test's own folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.test import override_settings

from backoffice.kit.actors import staff, system
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.operations import SubmitResult, submit_run
from payouts.rails import registry
from payouts.rails.sandbox_provider import SandboxProvider
from payouts.runs.models import PayoutRun
from tests.factories.bank import DEBTOR_BIC, DEBTOR_IBAN, DEBTOR_NAME
from tests.factories.runs import AT, make_approved_run

SUBMIT_AT = AT + timedelta(minutes=10)
SUBMITTER = staff(1_000_003)
BANK = system("bank-files")


@contextmanager
def rails_in(folder: Path, **over: Any) -> Iterator[Path]:
    """Let every rail live in `folder`, paying from the mock bank's debtor account."""
    wanted = {
        "DATA_DIR": folder,
        "PLATFORM_IBAN": DEBTOR_IBAN,
        "PLATFORM_BIC": DEBTOR_BIC,
        "PLATFORM_NAME": DEBTOR_NAME,
        "PLATFORM_COUNTRY": "NL",
        "PLATFORM_TOWN": "Amsterdam",
    }
    with override_settings(**wanted | over):
        registry.forget()
        try:
            yield folder
        finally:
            registry.forget()


def submit(run: PayoutRun, *, at: datetime = SUBMIT_AT) -> SubmitResult:
    return submit_run(run_id=run.pk, actor=SUBMITTER, at=at)


def make_submitted_run(*, at: datetime = SUBMIT_AT, **over: Any) -> PayoutRun:
    """Return a run that was built, approved and handed to its rails."""
    run = make_approved_run(**over)
    submit(run, at=at)
    run.refresh_from_db()
    return run


def orders_of(run: PayoutRun) -> list[PaymentOrder]:
    return list(PaymentOrder.objects.filter(payout__run=run).select_related("payout__seller", "payee_account").order_by("id"))


def provider_in(folder: Path) -> SandboxProvider:
    """Return the provider behind the sandbox rail of this folder: its own truth."""
    return SandboxProvider(folder / "sandbox-provider.sqlite3")
