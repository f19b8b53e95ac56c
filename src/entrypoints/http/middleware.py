"""Around every request: its id, a limit on how many are in flight, and one log line."""

import re
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from http import HTTPStatus
from random import getrandbits
from typing import Final

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import STRUCTLOG_KEY_PREFIX

from adapters.frequent_lines import FrequentLines
from entrypoints.http.headers import Headers, by_name
from entrypoints.http.problems import HttpProblem, raw_path, reply_to

HEALTH_PATHS = frozenset({b"/health", b"/health/ready"})

_NOT_REFUSED: Final = (msgspec.UNSET, msgspec.UNSET)
_HTTP: Final = ScopeType.HTTP
"""Looked up once, as looking up an enumeration's member is slow in Python 3.11."""
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")

_request_id: ContextVar[str] = ContextVar(f"{STRUCTLOG_KEY_PREFIX}request_id")
"""Bound as by `bind_contextvars`, which looks for a variable and for its token each time."""

logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
lines = FrequentLines(__name__)


class _RequestLine(msgspec.Struct, gc=False):
    event: str
    process: str | msgspec.UnsetType
    request_id: str
    method: str
    path: str
    status: int | None
    duration_ms: float
    reason: str | msgspec.UnsetType
    fields: Sequence[str] | msgspec.UnsetType
    """Those at fault, where it was refused."""
    outcome: Mapping[str, int] | msgspec.UnsetType
    """How many events of a batch had which result."""
    logger: str
    level: str
    timestamp: datetime


class RequestMiddleware:
    """Outermost, so that it also sees what no route answers.

    Health checks are neither refused, since an orchestrator would end a busy process, nor logged above debug,
    unless they are no such request.
    """

    def __init__(self, app: ASGIApp, busy: ASGIApp, *, max_in_flight: int) -> None:
        """`busy` answers in the place of `app` where as many requests as may be are in flight."""
        self.app = app
        self._busy = busy
        self._max_in_flight = max_in_flight
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != _HTTP:
            await self.app(scope, receive, send)
            return
        headers = by_name(scope["headers"])
        request_id = request_id_of(headers)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        started = time.perf_counter_ns()
        answer = _Answer(send, request_id)
        token = _request_id.set(request_id)
        is_health = scope["raw_path"] in HEALTH_PATHS
        is_admitted = is_health or self._in_flight < self._max_in_flight
        self._in_flight += is_admitted
        try:
            await (self.app if is_admitted else self._busy)(scope, receive, answer)
        finally:
            self._in_flight -= is_admitted
            duration_ms = (time.perf_counter_ns() - started) // 100_000 / 10
            method, path, status = scope["method"], raw_path(scope), answer.status
            reason, fields = state.get("refusal", _NOT_REFUSED)
            if is_health and reason is msgspec.UNSET:
                logger.debug("request", method=method, path=path, status=status, duration_ms=duration_ms)
            else:
                outcome = state.get("outcome", msgspec.UNSET)
                process, name, level, now = lines.common()
                line = _RequestLine(
                    "request",
                    process,
                    request_id,
                    method,
                    path,
                    status,
                    duration_ms,
                    reason,
                    fields,
                    outcome,
                    name,
                    level,
                    now,
                )
                lines.info(line)
            _request_id.reset(token)


class _Answer:
    """Sends an application's answer on with the request's id, and keeps its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            # A framework's enumeration would be printed as such.
            self.status = int(message["status"])
            message["headers"] = [*message["headers"], (b"x-request-id", self._request_id.encode())]
        return self._send(message)


async def refuse_busy(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a 503 that says so."""
    busy = HttpProblem(
        HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests are in flight.", headers=[(b"retry-after", b"1")]
    )
    await reply_to(busy, scope)(scope, receive, send)


def request_id_of(headers: Headers) -> str:
    """Take over the client's id if it is 1 to 128 visible ASCII characters, otherwise make one."""
    given = headers.get(b"x-request-id", b"")
    return given.decode() if given and _REQUEST_ID.fullmatch(given) else getrandbits(128).to_bytes(16).hex()
