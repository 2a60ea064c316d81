"""Send one request to an address a stranger gave us: public addresses only, decided at the moment of connecting; no redirects; a hard end.

The name is looked up once and the connection goes to the very address that was judged, so a name that answers otherwise the second time
gains nothing. Proxies of the environment are not used. A watchdog closes the connection at the limit, however slowly it drips.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast
from urllib.parse import urlsplit

from django.conf import settings
from requests.certs import where

LIMIT_SECONDS = 15.0
ANSWER_KEPT_BYTES = 2_048
USER_AGENT = "backoffice-webhooks/1"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressBlocked(Exception):
    """The name leads to an address that is not public."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one request: `http_status` and the beginning of the body, or None and why."""

    http_status: int | None
    code: str
    ms: int
    answer: str = ""
    retry_after: str = ""

    @property
    def is_success(self) -> bool:
        return self.http_status is not None and 200 <= self.http_status < 300


def post(url: str, body: bytes, headers: Mapping[str, str], *, limit_seconds: float = LIMIT_SECONDS) -> Answered:
    """Send one POST and return what came of it; it never raises for what the other side does."""
    started = time.monotonic()
    sender = _Sender(url, started + limit_seconds)
    try:
        status, answer, retry_after = sender.exchange(body, headers)
    except AddressBlocked:
        return Answered(None, "address_blocked", _ms(started))
    except socket.gaierror:
        return Answered(None, "name_not_found", _ms(started))
    except ssl.SSLCertVerificationError:
        return Answered(None, "certificate_refused", _ms(started))
    except (OSError, http.client.HTTPException, ValueError) as problem:
        late = isinstance(problem, TimeoutError) or sender.cut.is_set()
        return Answered(None, "timed_out" if late else _code_of(problem), _ms(started))
    return Answered(status, _code_of_status(status), _ms(started), answer, retry_after)


def _code_of(problem: Exception) -> str:
    if isinstance(problem, ConnectionRefusedError):
        return "connection_refused"
    return "connection_failed" if isinstance(problem, OSError) else "answer_unreadable"


def _code_of_status(status: int) -> str:
    if 200 <= status < 300:
        return "delivered"
    return "redirected" if 300 <= status < 400 else "gone" if status == 410 else "refused"


def _ms(started: float) -> int:
    return int((time.monotonic() - started) * 1000)


class _Sender:
    """One exchange with one end: the watchdog cuts the connection when the time is over."""

    def __init__(self, url: str, ends: float) -> None:
        self.parts, self.ends, self.cut = urlsplit(url), ends, threading.Event()
        self.sock: socket.socket | None = None

    def exchange(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, str]:
        secure = self.parts.scheme == "https"
        host = self.parts.hostname or ""
        port = self.parts.port or (443 if secure else 80)
        self.sock = self._dial(host, port, secure)
        watchdog = threading.Timer(max(0.01, self.ends - time.monotonic()), self._cut)
        watchdog.daemon = True
        watchdog.start()
        try:
            if secure:
                # the handshake comes after the socket is known to the watchdog: wrapping empties the bare one
                self.sock = shaken = _tls().wrap_socket(self.sock, server_hostname=host, do_handshake_on_connect=False)
                shaken.do_handshake()
            connection = http.client.HTTPConnection(host, port)
            connection.sock = self.sock
            target = (self.parts.path or "/") + (f"?{self.parts.query}" if self.parts.query else "")
            connection.request("POST", target, body, {"User-Agent": USER_AGENT, "Connection": "close", **headers})
            found = self._read(connection.getresponse())
            if self.cut.is_set():
                raise TimeoutError  # what was read ends where we cut it
            return found
        finally:
            watchdog.cancel()
            self.sock.close()

    def _read(self, response: http.client.HTTPResponse) -> tuple[int, str, str]:
        answer = b""
        while len(answer) < ANSWER_KEPT_BYTES and (piece := response.read1(ANSWER_KEPT_BYTES - len(answer))):
            answer += piece
        text = answer.decode("utf-8", "replace").replace("\x00", "")
        return response.status, text, response.headers.get("Retry-After", "")[:40]

    def _dial(self, host: str, port: int, secure: bool) -> socket.socket:
        """Connect to the first of the judged addresses that answers."""
        problem: OSError = OSError("no address")
        for address in judged_addresses(host, port, secure):
            left = self.ends - time.monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                sock = socket.create_connection((str(address), port), timeout=left)
            except OSError as failed:
                problem = failed
            else:
                sock.settimeout(max(0.01, self.ends - time.monotonic()))
                return sock
        raise problem

    def _cut(self) -> None:
        self.cut.set()
        with contextlib.suppress(OSError):  # closed already
            # past the TLS layer's own shutdown, which would take the reader's state away under it
            socket.socket.shutdown(cast(socket.socket, self.sock), socket.SHUT_RDWR)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def judged_addresses(host: str, port: int, secure: bool) -> list[Address]:
    """Look a name up and return its addresses; raises AddressBlocked when any of them is not public and not allowed by WEBHOOKS_PRIVATE_NETWORKS.

    One bad address condemns the name: a mixed answer is how a guard is walked around. Plain http is for allowed networks only.
    """
    found = {info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    addresses = [ipaddress.ip_address(str(text).partition("%")[0]) for text in sorted(map(str, found))]
    for address in addresses:
        if not (is_allowed(address) or (secure and is_public(address))):
            raise AddressBlocked
    return addresses


def is_public(address: Address) -> bool:
    """Tell whether an address lies in the public internet; addresses that carry another one inside are judged by both."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        inside = address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inside is not None and not is_public(inside):
            return False
    # reserved covers the NAT64 prefix, behind which stands any IPv4 address
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_allowed(address: Address) -> bool:
    return any(address in ipaddress.ip_network(network, strict=False) for network in settings.WEBHOOKS_PRIVATE_NETWORKS)
