"""HTTP/1.1 with a bound on what a client can make the server keep before a request is one."""

from asyncio import Transport
from asyncio.events import TimerHandle
from http import HTTPStatus
from typing import cast

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from entrypoints.http import problems
from entrypoints.http.headers import Fields, by_name
from entrypoints.http.middleware import request_id_of
from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.upgrades import UpgradeIgnoringProtocol

_CLOSE = (b"connection", b"close")
HEAD_SECONDS = 10.0
MAX_HEAD_BYTES = 64 * 1024

logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class BoundedProtocol(UpgradeIgnoringProtocol):
    """Refuses what is no request, or whose head (its line and headers) is too long or takes too long.

    The server itself waits for ever, its parser collects whatever comes, and it refuses in plain text.
    """

    _head_timer: TimerHandle | None = None
    """Running while a head is awaited of which no or only some bytes have come."""
    _is_in_head = False
    _head_bytes = 0
    _is_over = False
    """Whether something was refused; nothing is read any more."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._is_in_head = True
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._is_in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        # A head that came whole, as nearly every one does, needs no timer.
        if self._is_in_head and not self._is_over:
            self._await_rest_of_head()

    def send_400_response(self, msg: str) -> None:
        self._refuse(HttpProblem(HTTPStatus.BAD_REQUEST, msg))

    def reading_resumed(self) -> None:
        if self._head_timer is not None:
            # A head has all of its time from now on.
            self._stop_timer()
            self._start_timer()

    def timeout_keep_alive_handler(self) -> None:
        # A head that has begun has a time of its own.
        if not self._is_in_head:
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._is_in_head:
            self._is_in_head = True
            self._head_bytes = 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        # The parser reports a chunked body's trailers like headers, which they are not.
        self.scope["headers"] = [*self.headers]
        self._is_in_head = False
        if self._head_timer is not None:
            self._stop_timer()

    def _await_rest_of_head(self) -> None:
        if self._head_bytes > MAX_HEAD_BYTES:
            detail = f"The request's head is longer than {MAX_HEAD_BYTES} bytes."
            self._refuse(HttpProblem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail))
        elif self._head_timer is None:
            self._start_timer()

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._refuse_slow_head)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse_slow_head(self) -> None:
        if self.flow.read_paused:
            # It is the server that keeps the head waiting, until it has answered what came before.
            self._start_timer()
            return
        detail = f"The request's head did not arrive within {HEAD_SECONDS:g} seconds."
        self._refuse(HttpProblem(HTTPStatus.REQUEST_TIMEOUT, detail))

    def _refuse(self, problem: HttpProblem) -> None:
        """Answer what is being read with `problem`, unless other answers come first, and end the connection."""
        self._is_over = True
        cycle = cast("RequestResponseCycle | None", self.cycle)
        is_body_of_first = not self._is_in_head and not self.pipeline
        self._stop_timer()
        if self.transport.is_closing():
            return
        if cycle is None or cycle.response_complete or (is_body_of_first and not cycle.response_started):
            self._send(problem)
            self.transport.close()
        else:
            cycle.keep_alive = False

    def _send(self, problem: HttpProblem) -> None:
        request_id = request_id_of(by_name(self.headers or ()))
        # What came before the path is known to be one is not repeated.
        reply = problems.render(problem, "", request_id)
        self._write(reply.status, [*reply.fields(), (b"x-request-id", request_id.encode()), _CLOSE], reply.body)
        logger.info("request refused", request_id=request_id, status=int(reply.status), detail=problem.detail)

    def _write(self, status: int, fields: Fields, body: bytes) -> None:
        lines = map(b": ".join, (*self.server_state.default_headers, *fields))
        self.transport.write(STATUS_LINE[status] + b"\r\n".join([*lines, b"", body]))
