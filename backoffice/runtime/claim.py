"""Claim the place where `up` will run, before anything is started: one per data folder, on a free port."""

import argparse
import fcntl
import os
import socket

from backoffice.runtime import data_folder
from backoffice.runtime.problems import ServiceProblem

DEFAULT_PORT = "8000"
DEFAULT_HOST = "127.0.0.1"
_claim: list[int] = []


def claim_from(arguments: list[str]) -> None:
    """Claim what the command line of `up` asks for."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--port", default=os.environ.get("PORT") or DEFAULT_PORT)
    parser.add_argument("--host", default=os.environ.get("HOST") or DEFAULT_HOST)
    known, _ = parser.parse_known_args(arguments)
    claim_place(known.host, read_port(known.port))


def read_port(text: str) -> int:
    """Return the port number in `text`; raises ServiceProblem."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ServiceProblem(f"The port must be a number from 1 to 65535, not {text[:20]!r}.", "Example: make run PORT=8001")
    return int(text)


def claim_place(host: str, port: int) -> None:
    """Take the data folder's lock, held until this process ends, and see that the port is free; raises ServiceProblem."""
    if _claim:
        return
    run = data_folder() / "run"
    try:
        run.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(run / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as problem:
        raise ServiceProblem(
            f"The data folder {run.parent} cannot be written ({problem.strerror}).",
            "Set BACKOFFICE_DATA to a folder of yours, or run as the user who created it.",
        ) from problem
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        where = os.read(descriptor, 200).decode() or "starting"
        os.close(descriptor)
        raise ServiceProblem(
            f"It already runs on this data folder ({where}).", "Stop that one first, or set BACKOFFICE_DATA to another folder."
        ) from problem
    try:
        _refuse_taken(host, port)
    except ServiceProblem:
        os.close(descriptor)
        raise
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"http://{host}:{port}/, process {os.getpid()}".encode())
    _claim.append(descriptor)


def _refuse_taken(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except PermissionError as problem:
        raise ServiceProblem(
            f"Port {port} needs more rights than we have.", "Choose one above 1023: make run PORT=8001"
        ) from problem
    except OSError as problem:
        raise ServiceProblem(
            f"Port {port} on {host} is in use or not ours ({problem.strerror}).",
            f"Choose another: make run PORT={port % 60000 + 1}",
        ) from problem
