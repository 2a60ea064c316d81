"""Read a bank's file (pain.002, camt.052, camt.053, camt.054, pacs.004, MT940, BAI2, CSV), apply it, and say what could not be placed."""

from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from backoffice.kit.commands import PARTLY, OperatorCommand
from backoffice.kit.errors import InputError
from payouts.dispatch.operations import import_bank_file
from payouts.runs.commanding import staff_actor


class Command(OperatorCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--account", metavar="IBAN", help="refuse the file unless it is about this account")
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="the staff member who brings it (default: the machine)")

    def run(
        self, at: datetime, file: str, account: str | None = None, email: str | None = None, **options: Any
    ) -> dict[str, Any]:
        path = Path(file)
        try:
            if path.stat().st_size > settings.BANK_FILE_MAX_BYTES:
                raise InputError(detail=f"{file} has more than {settings.BANK_FILE_MAX_BYTES:,} bytes, the limit for bank files.")
            data = path.read_bytes()
        except OSError as error:
            raise InputError(detail=f"Cannot read {file}: {error.strerror}.") from None
        actor = staff_actor(email, "payouts.import_bank_file")
        result = import_bank_file(data=data, file_name=path.name, actor=actor, at=at, account_iban=account)
        self.exit_code = PARTLY if result.unplaced else 0
        return result.as_json()

    def human(self, answer: dict[str, Any]) -> None:
        if answer["duplicate_file"]:
            self.stdout.write(f"{answer['format']}: this file was imported before; nothing was done.")
            return
        done = ", ".join(f"{count} {name}" for name, count in answer["applied"].items() if count) or "nothing to do"
        self.stdout.write(f"{answer['format']}: {done}")
        for one in answer["statements"]:
            self.stdout.write(f"  {one['id']} of {one['account']}: {one['entries']} entries, {one['opening']} → {one['closing']}")
        for one in answer["unplaced"]:
            self.stdout.write(f"  not placed: {one['line_ref']} {one['amount'] or ''} ({one['code']})")
