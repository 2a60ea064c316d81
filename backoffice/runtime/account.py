"""Choose the account PostgreSQL runs as: ours, or an unprivileged one when we are root, which the server refuses to be."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from backoffice.runtime.problems import ServiceProblem

UNPRIVILEGED = ("postgres", "nobody")
# As root the folders above a checkout are often closed to everybody else (/root, mktemp -d). Rather than open them, the
# server gets the one capability of passing through; which of the two a container leaves us differs.
CAPABILITIES = ("dac_read_search", "dac_override")


@dataclass(frozen=True)
class Account:
    """Who runs the server; `uid` is None when that is ourselves. `prefix` is a command that changes account and keeps a right."""

    uid: int | None = None
    gid: int | None = None
    prefix: tuple[str, ...] = ()

    def own(self, folder: Path) -> None:
        """Make `folder`, for this account's eyes only."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.uid is not None:
            os.chown(folder, self.uid, self.gid if self.gid is not None else -1)
        folder.chmod(0o700)

    def run(self, command: list[str]) -> None:
        """Run `command` as this account; raises CalledProcessError with what it said."""
        who: dict[str, object] = (
            {} if self.prefix or self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}
        )
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        subprocess.run(  # type: ignore[call-overload]
            [*self.prefix, *command], check=True, capture_output=True, text=True, cwd="/", env=environment, **who
        )


def for_server(data: Path, *programs: Path) -> Account:
    """Return the account that can run `programs` (initdb last) on `data`; raises ServiceProblem when there is none."""
    if os.geteuid() != 0:
        _refuse_foreign(data)
        return Account()
    entry = _unprivileged(data)
    plain = Account(entry.pw_uid, entry.pw_gid)
    for candidate in (plain, *_passing_through(plain)):
        if _can_work(candidate, data, programs):
            return candidate
    raise ServiceProblem(
        f"The account {entry.pw_name}, as which the database runs, cannot reach {data.parent} and {programs[0].parent}.",
        "Put the checkout where others may pass (chmod o+x on the folders above it), run as another user, or set DATABASE_URL.",
    )


def _unprivileged(data: Path) -> pwd.struct_passwd:
    """Return the owner of existing data, else the first unprivileged account of the machine."""
    if data.exists() and data.stat().st_uid != 0:
        try:
            return pwd.getpwuid(data.stat().st_uid)
        except KeyError as problem:
            raise ServiceProblem(
                f"{data} belongs to user {data.stat().st_uid}, who is unknown on this machine.",
                f"chown -R it to {UNPRIVILEGED[-1]}, or set BACKOFFICE_DATA to a new folder.",
            ) from problem
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServiceProblem(
        "PostgreSQL refuses to run as root and this machine has no `nobody`.", "Run as another user, or set DATABASE_URL."
    )


def _passing_through(account: Account) -> list[Account]:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    change = [setpriv, f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups", "--pdeathsig=INT"]
    # Without this bit access(2), by which initdb looks for its siblings, would leave the capability out of account.
    change.append("--securebits=+no_setuid_fixup")
    return [
        Account(account.uid, account.gid, (*change, f"--inh-caps=+{name}", f"--ambient-caps=+{name}", "--"))
        for name in CAPABILITIES
    ]


def _can_work(candidate: Account, data: Path, programs: tuple[Path, ...]) -> bool:
    probe = data.with_name(".reach")
    candidate.own(probe)
    try:
        candidate.run(["/bin/sh", "-c", 'cd "$0" && : > here && rm here', str(probe)])
        for program in programs:
            candidate.run([str(program), "--version"])
        candidate.run([str(programs[-1]), "--show", "-D", str(probe)])
    except (subprocess.CalledProcessError, PermissionError):
        return False
    finally:
        shutil.rmtree(probe, ignore_errors=True)
    return True


def _refuse_foreign(data: Path) -> None:
    if data.exists() and data.stat().st_uid != os.geteuid():
        raise ServiceProblem(
            f"The database in {data} belongs to another user.",
            "Run as that user, or set BACKOFFICE_DATA to a folder of yours.",
        )
