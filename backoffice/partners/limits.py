"""Limit the rate per key, reads apart from writes.

The budget is a token bucket (GCRA) in the Valkey that is the broker, shared by all processes. With another broker each process keeps buckets of its
own, so the limit counts per process. When Valkey does not answer, reads stay open and writes are closed: a write may move money, and
whoever empties the limiter must not get past it.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import redis
from django.conf import settings
from rest_framework.exceptions import APIException, Throttled
from rest_framework.throttling import BaseThrottle

SAFE_METHODS = {"GET", "HEAD"}
SILENCE_SECONDS = 2.0  # after a failure nobody waits for the limiter again for this long
BUCKETS_MAX = 10_000


class LimiterNotThere(APIException):
    status_code = 503
    default_code = "limiter_unavailable"
    default_detail = (
        "The rate limiter does not answer, and nothing is written without it. Reading works; try writing again in a moment."
    )
    wait = 5


class LimiterFailed(Exception):
    """The shared limiter does not answer."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What the limiter says: whether one more is allowed, how many are left, and when the budget is full (or one fits) again."""

    allowed: bool
    remaining: int
    seconds: float


class Limiter(Protocol):
    def take(self, name: str, per_minute: int) -> Grant: ...


class ProcessLimiter:
    """Buckets in this process."""

    def __init__(self) -> None:
        self._full_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, name: str, per_minute: int) -> Grant:
        now, interval = time.monotonic(), 60 / per_minute
        with self._lock:
            if len(self._full_at) > BUCKETS_MAX:
                self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
            full_at = max(self._full_at.get(name, now), now) + interval
            room = 60 - (full_at - now)
            if room < 0:
                return Grant(False, 0, -room)
            self._full_at[name] = full_at
        return Grant(True, math.floor(room / interval), full_at - now)


_SCRIPT = """
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + tonumber(t[2]) / 1000
local interval = tonumber(ARGV[1])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + interval
local room = 60000 - (full_at - now)
if room < 0 then return {0, 0, math.ceil(-room)} end
redis.call('SET', KEYS[1], string.format('%.3f', full_at), 'PX', math.ceil(full_at - now) + 1000)
return {1, math.floor(room / interval), math.ceil(full_at - now)}
"""


class ValkeyLimiter:
    """Buckets in Valkey; one round trip, one atomic script."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)
        self._script = self._client.register_script(_SCRIPT)
        self._silent_until = 0.0

    def take(self, name: str, per_minute: int) -> Grant:
        if time.monotonic() < self._silent_until:
            raise LimiterFailed
        try:
            allowed, remaining, wait_ms = self._script(keys=[f"limit:{name}"], args=[60_000 / per_minute])
        except redis.RedisError as error:
            self._silent_until = time.monotonic() + SILENCE_SECONDS
            raise LimiterFailed from error
        return Grant(bool(allowed), int(remaining), wait_ms / 1000)


@lru_cache(maxsize=4)
def limiter_for(broker_url: str) -> Limiter:
    """Return the limiter that the configured broker allows; one per process."""
    if broker_url.startswith(("redis://", "rediss://", "unix://")):
        return ValkeyLimiter(broker_url)
    return ProcessLimiter()


class TooManyRequests(Throttled):
    default_code = "too_many_requests"
    default_detail = "The key's budget is used up."


class KeyThrottle(BaseThrottle):
    """One budget of reads and one of writes per key; the answer says what is left."""

    def allow_request(self, request: Any, view: Any) -> bool:
        reads = request.method in SAFE_METHODS
        kind, per_minute = ("reads", settings.API_READS_PER_MINUTE) if reads else ("writes", settings.API_WRITES_PER_MINUTE)
        try:
            grant = limiter_for(settings.BROKER_URL).take(f"{request.user.key_id}:{kind}", per_minute)
        except LimiterFailed:
            if reads:
                return True
            raise LimiterNotThere from None
        request.limit_headers = {
            "RateLimit-Policy": f'"{kind}";q={per_minute};w=60',
            "RateLimit": f'"{kind}";r={grant.remaining};t={math.ceil(grant.seconds)}',
        }
        if not grant.allowed:
            raise TooManyRequests(wait=grant.seconds)
        return True
