"""Write the files of a run exactly as they were sealed, and their SHA-256 beside them."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from backoffice.kit.commands import OperatorCommand
from backoffice.kit.errors import InputError
from payouts.dispatch import queries
from payouts.dispatch.models import RailFile
from payouts.dispatch.stored import bytes_of
from payouts.runs.queries import find_run


class Command(OperatorCommand):
    help = __doc__
    takes_at = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", metavar="RUN", help="the run's id, or `latest`")
        parser.add_argument("--out", metavar="DIR", required=True, help="the folder to write into; made when absent")

    def run(self, run: str, out: str, **options: Any) -> dict[str, Any]:
        found = find_run(run)
        folder = Path(out)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            files = [
                self._write(folder, file_id)
                for file_id in RailFile.objects.filter(run=found).order_by("id").values_list("pk", flat=True)
            ]
        except OSError as error:
            raise InputError(detail=f"Cannot write to {out}: {error.strerror}.") from None
        return {"run": found.public_id, "files": files}

    def _write(self, folder: Path, file_id: int) -> dict[str, Any]:
        file = RailFile.objects.get(pk=file_id)
        data = bytes_of(file)
        path = folder / file.file_name
        path.write_bytes(data)
        (folder / f"{file.file_name}.sha256").write_text(f"{file.sha256}  {file.file_name}\n")
        return {**queries.as_json(file), "path": str(path), "bytes": len(data)}

    def human(self, answer: dict[str, Any]) -> None:
        for file in answer["files"]:
            self.stdout.write(f"{file['path']}: {file['orders']} payments, {file['bytes']} bytes, sha256 {file['sha256']}")
        if not answer["files"]:
            self.stdout.write("The run has no files: it is not submitted, or its rails take none.")
