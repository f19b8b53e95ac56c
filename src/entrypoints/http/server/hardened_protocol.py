"""uvicorn's HTTP/1.1 protocol, corrected where it is wrong or unbounded; the rest is inherited.

`overrides.py` lists the overrides and their reasons. The server calls `check_deadline` on each connection once a
second, for all timeouts; uvicorn has only a keep-alive timeout (issue 157).
"""

import asyncio
from collections.abc import MutableSet
from typing import cast

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.deadlines import Deadline
from entrypoints.http.server.error_response import ErrorResponse
from entrypoints.http.server.limits import Connection, ServerConfig
from entrypoints.http.server.request_parser import ParsedRequest, RequestParser
from entrypoints.http.server.response_cycle import ResponseCycle
from entrypoints.http.server.transport import BufferedTransport, ReadControl

MAX_PIPELINED = 16
"""Requests of one connection that wait for the responses before theirs."""
MAX_DISCARDED_BYTES = 1024 * 1024
"""Discarded after a response that did not wait for the whole request."""


class HardenedProtocol(HttpToolsProtocol):
    """One client connection. `cycle` is the newest request; `pipeline` holds those that wait, the newest first."""

    config: ServerConfig
    cycle: ResponseCycle
    flow: ReadControl

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.flow = ReadControl(transport)
        self._buffered = BufferedTransport(transport, self.loop, self._close_after_response)
        self._requests = RequestParser()
        self._answering: ResponseCycle | None = None
        self._discards_input = False
        """Whether no more requests are read."""
        self._has_client_closed = False
        self._discarded_bytes = 0
        self._deadline = Deadline(self.config.limits, self.loop.time)
        self.opened_at = self.loop.time()
        problem = self.config.limits.connections.admit(self, cast("MutableSet[Connection]", self.connections))
        if problem is not None and not transport.is_closing():
            self._reject(problem)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.config.limits.connections.forget(self)
        if self._answering is not None:
            self._answering.disconnect()
            self._answering = None
        self._drop_pipelined()
        # These refer back to the connection, which would occupy memory until the next garbage collection.
        self._buffered.detach()
        self.cycle = None  # type: ignore[assignment]  # as uvicorn has it before the first request

    def data_received(self, data: bytes) -> None:
        if self._discards_input:
            self._discard(len(data))
        else:
            self._requests.feed(data)
            self._read_requests()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        # The event loop closes the transport if this returns False.
        self._buffered.flush()
        self._has_client_closed = True
        if not self._discards_input and self._requests.content is not None:
            self._abandon_incomplete_request()
        self._stop_reading_requests()
        if self._answering is None:
            return False
        last = self.pipeline[0][0] if self.pipeline else self._answering
        last.keep_alive = False
        return True

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._answering = None
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._answer(cast("ResponseCycle", cycle), app)
        if self._discards_input:
            return
        if self._requests.content is not None and self.cycle.response_complete:
            self.cycle.body.clear()
            self._discarded_bytes = 0
        self.flow.is_blocked = False
        self._read_requests()
        self.flow.resume_reading()

    def shutdown(self) -> None:
        self._buffered.flush()
        super().shutdown()

    @property
    def is_idle(self) -> bool:
        """Whether all requests are answered."""
        return self._answering is None

    def check_deadline(self, now: float) -> None:
        """Close the connection if the client is late; to be called once a second."""
        if self._buffered.is_stalled(now):
            self.reset()
            return
        if self.transport.is_closing() or not self._deadline.is_over(now):
            return
        problem = self._deadline.problem(now)
        if problem is None:
            self._close()
        elif self.flow.read_paused or (self._requests.content is not None and self.cycle.waiting_for_100_continue):
            self._deadline.restart(now)
        else:
            self._reject(problem)

    def reset(self) -> None:
        """Reset the connection at once; unsent bytes are lost, and the client can tell."""
        self._buffered.reset()

    def _read_requests(self) -> None:
        requests = self._requests
        try:
            while not self._discards_input:
                if len(self.pipeline) == MAX_PIPELINED and requests.content is None:
                    self.flow.block_reading()
                    break
                part = requests.read()
                if part is None:
                    break
                if isinstance(part, ParsedRequest):
                    self._begin(part, self.app)
                else:
                    self._add_content(part)
                if requests.content is None:
                    self.cycle.more_body = False
                    self.cycle.message_event.set()
        except HttpProblem as problem:
            self._reject(problem)
        else:
            self._update_deadline()

    def _begin(self, request: ParsedRequest, app: ASGI3Application) -> None:
        self._deadline.expect("nothing")
        self.cycle = ResponseCycle(request, self, self._buffered, self.config.keep_alive_headers)
        if self._answering is None:
            self._answer(self.cycle, app)
        else:
            self.pipeline.appendleft((self.cycle, app))

    def _answer(self, cycle: ResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        self._start_asgi_task(cycle, app)

    def _add_content(self, piece: bytes) -> None:
        cycle = self.cycle
        if cycle.response_complete:
            self._discard(len(piece))
            return
        cycle.body += piece
        cycle.message_event.set()
        if len(cycle.body) > HIGH_WATER_LIMIT:
            # No application reads the content of a pipelined request yet, so none would resume reading.
            (self.flow.pause_reading if cycle is self._answering else self.flow.block_reading)()

    def _update_deadline(self) -> None:
        if self._discards_input:
            return
        if self._requests.content is not None:
            self._deadline.expect("discarded content" if self.cycle.response_complete else "content")
        elif not self._requests.is_between_requests:
            self._deadline.expect("headers")
        else:
            self._deadline.expect("request" if self._answering is None else "nothing")

    def _reject(self, problem: HttpProblem) -> None:
        """Answer the request that is being read with `problem`, after the ones before it, and close the connection."""
        if self._requests.content is not None and not self._abandon_incomplete_request():
            self._stop_reading_requests()
            if self._answering is None:
                self._close_after_response()
            else:
                self._answering.keep_alive = False
            return
        self._stop_reading_requests()
        self._begin(self._requests.invalid_request, cast("ASGI3Application", ErrorResponse(problem)))

    def _abandon_incomplete_request(self) -> bool:
        """Stop answering the newest request; return False if its response has already started."""
        if self.pipeline:
            self.pipeline.popleft()[0].on_response = lambda: None
        elif self._answering is None or self._answering.response_started:
            return False
        else:
            self._answering.disconnect()
            self._answering = None
        return True

    def _close_after_response(self) -> None:
        """Close the connection after its last response.

        Input is still read and discarded for a while. If it arrived at a closed socket, the system would answer with
        a reset, and the client might lose the response (RFC 9112, section 9.6).
        """
        if self._answering is not None and self._answering.needs_close_to_complete:
            # A regular close would make a partial response look complete (RFC 9112, section 8).
            self.reset()
            return
        # An aborted response does not call `on_response_complete`.
        self._answering = None
        has_more_input = self._discards_input or self.pipeline or self.flow.read_paused
        is_read = self._requests.is_between_requests and not has_more_input
        self._drop_pipelined()
        self._stop_reading_requests()
        if is_read or self._has_client_closed or self.transport.is_closing():
            self._close()
        else:
            self._deadline.expect("discarded content")
            self._buffered.flush()
            self.transport.write_eof()
            self.flow.is_blocked = False
            self.flow.resume_reading()

    def _close(self) -> None:
        self._buffered.flush()
        self.transport.close()

    def _stop_reading_requests(self) -> None:
        self._discards_input = True
        self._deadline.expect("nothing")
        self._discarded_bytes = 0

    def _discard(self, count: int) -> None:
        self._discarded_bytes += count
        if self._discarded_bytes > MAX_DISCARDED_BYTES:
            self._stop_reading_requests()
            self._close()

    def _drop_pipelined(self) -> None:
        for cycle, _ in self.pipeline:
            cycle.on_response = lambda: None
        self.pipeline.clear()
