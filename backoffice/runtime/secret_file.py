"""Make the secrets of an installation once, and keep them beside its data."""

import base64
import fcntl
import os
import secrets
import sys
from pathlib import Path

from backoffice.runtime.problems import ServiceProblem


def load_or_create(folder: Path, *, announce: bool) -> None:
    """Set SECRET_KEY, FIELD_KEYS and BLIND_INDEX_KEY in the environment where they are unset.

    They are read from `secrets.env` (mode 600) in the data folder, which is written once. With `announce` the making is
    told on standard error: whoever brings an own database must keep the file with it.
    """
    makers = {"SECRET_KEY": _text, "FIELD_KEYS": lambda: f"k1:{_key()}", "BLIND_INDEX_KEY": _key}
    missing = [name for name in makers if not os.environ.get(name)]
    if not missing:
        return
    path = folder / "secrets.env"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as problem:
        raise ServiceProblem(
            f"{path} cannot be opened ({problem.strerror}).",
            "Set BACKOFFICE_DATA to a folder of yours, or run as the user who created it.",
        ) from problem
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        known = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line and not line.startswith("#"))
        made = {name: makers[name]() for name in missing if not known.get(name)}
        if made:
            file.seek(0, os.SEEK_END)
            file.writelines(f"{name}={value}\n" for name, value in made.items())
            if announce:
                sys.stderr.write(f"Made {', '.join(made)} in {path}. Keep that file: encrypted data is unreadable without it.\n")
        known.update(made)
    os.environ.update({name: known[name] for name in missing})


def _text() -> str:
    return secrets.token_urlsafe(48)


def _key() -> str:
    """Return 32 random bytes in base64, avoiding the two characters in which its alphabets differ."""
    while True:
        encoded = base64.b64encode(secrets.token_bytes(32)).decode()
        if not set(encoded) & set("+/"):
            return encoded
