"""Around every request: its id, the limit on requests in flight, and one log line."""

import re
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from random import getrandbits
from typing import Final

import msgspec
import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import STRUCTLOG_KEY_PREFIX

from adapters.observability.accepted_violations import REQUEST_FIELD, request_fields
from adapters.observability.frequent_lines import FrequentLines
from entrypoints.http.headers import Headers, by_name
from entrypoints.http.problems import RETRY_SOON, problem_response, raw_path, unavailable

HEALTH_PATHS = frozenset({b"/health", b"/health/ready"})

_NO_PROBLEM: Final = (msgspec.UNSET, msgspec.UNSET)
_request_id: ContextVar[str] = ContextVar(f"{STRUCTLOG_KEY_PREFIX}request_id")
"""The variable of `structlog.contextvars`; its `bound_contextvars` would make a request a tenth more expensive."""
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")

logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
lines = FrequentLines(__name__)


class _RequestLine(msgspec.Struct):
    event: str
    process: str | msgspec.UnsetType
    request_id: str
    method: str
    path: str
    status: int | None
    duration_ms: float
    reason: str | msgspec.UnsetType
    fields: Sequence[str] | msgspec.UnsetType
    """The invalid ones, in an error response."""
    outcome: Mapping[str, int] | msgspec.UnsetType
    """The number of events of a batch by result."""
    accepted_violations: int | msgspec.UnsetType
    """The number of events whose payload breaks a schema that accepts them all the same."""
    logger: str
    level: str
    timestamp: datetime


class RequestMiddleware:
    """The outermost middleware, so that it also sees requests that reach no route.

    Health checks are exempt from the limit, because an orchestrator would restart a busy process. They are logged at
    debug level, unless their response is a problem document.
    """

    def __init__(self, app: ASGIApp, busy: ASGIApp, *, max_in_flight: int) -> None:
        """Let `busy` answer instead of `app` while `max_in_flight` requests are open."""
        self.app = app
        self._busy = busy
        self._max_in_flight = max_in_flight
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter_ns()
        request_id = request_id_of(by_name(scope["headers"]))
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        request_fields.set(state)
        status: int | None = None

        def observed_send(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                # The framework sends members of `HTTPStatus`, which a log line would show by name.
                status = int(message["status"])
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            return send(message)

        is_health = scope["raw_path"] in HEALTH_PATHS
        is_admitted = is_health or self._in_flight < self._max_in_flight
        self._in_flight += is_admitted
        token = _request_id.set(request_id)
        try:
            await (self.app if is_admitted else self._busy)(scope, receive, observed_send)
        finally:
            self._in_flight -= is_admitted
            _log(scope, status, started, is_health=is_health)
            _request_id.reset(token)


def _log(scope: Scope, status: int | None, started: int, *, is_health: bool) -> None:
    state = scope["state"]
    duration_ms = (time.perf_counter_ns() - started) // 100_000 / 10
    method, path = str(scope.get("method")), raw_path(scope)
    reason, fields = state.get("problem", _NO_PROBLEM)
    if is_health and reason is msgspec.UNSET:
        logger.debug("request", method=method, path=path, status=status, duration_ms=duration_ms)
        return
    process, name, level, now = lines.common()
    lines.info(
        _RequestLine(
            event="request",
            process=process,
            request_id=state["request_id"],
            method=method,
            path=path,
            status=status,
            duration_ms=duration_ms,
            reason=reason,
            fields=fields,
            outcome=state.get("outcome", msgspec.UNSET),
            accepted_violations=state.get(REQUEST_FIELD, msgspec.UNSET),
            logger=name,
            level=level,
            timestamp=now,
        )
    )


async def respond_busy(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a 503 and `Retry-After`."""
    busy = unavailable("Too many requests are in flight.", headers=RETRY_SOON)
    await problem_response(busy, scope)(scope, receive, send)


def request_id_of(headers: Headers) -> str:
    """Return the client's id if it is 1 to 128 visible ASCII characters, otherwise a new one."""
    given = headers.get(b"x-request-id", b"")
    return given.decode() if given and _REQUEST_ID.fullmatch(given) else getrandbits(128).to_bytes(16).hex()
