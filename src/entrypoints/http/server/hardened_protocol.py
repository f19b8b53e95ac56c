"""HTTP/1.1 of uvicorn and httptools where they are wrong or set no bound; what they do right is theirs.

Overridden, each checked at start against the installed versions, see `overrides.py`:

- `data_received`: requests are read by `RequestReader`, RFC 9112, sections 2 to 7; content after an offer to upgrade is
  read (RFC 9110, section 7.8; uvicorn's issue 2722); all bytes outside content are bounded; requests that wait, too.
- `eof_received`: a client that ends its side gets the answers to what it has asked (RFC 9112, section 9.6; issue 1264).
- `connection_made`, `connection_lost`: connections are bounded; requests that wait go with their connection.
- `shutdown`: what is held back of an answer goes out first.
- `on_response_complete`: what follows an early answer is read away for some time (RFC 9112, section 9.6).
- `RequestResponseCycle.send`, `.receive`, in `answer.py`: no chunks to HTTP/1.0 (RFC 9112, section 6.1); content is
  asked for when the application wants it and none has come (RFC 9110, section 10.1.1); one write an answer.

All times are kept by `check_time`, which the server calls for every connection: uvicorn has one, between requests
(issue 157).
"""

import asyncio
from collections.abc import MutableSet
from typing import cast

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.answer import Answer
from entrypoints.http.server.connections import Connection, ServerConfig
from entrypoints.http.server.deadlines import Deadline
from entrypoints.http.server.outgoing import HeldFlow, Outgoing
from entrypoints.http.server.refusal import Refusal
from entrypoints.http.server.request_reader import Head, RequestReader
from entrypoints.http.server.scope import scope_of

MAX_WAITING = 16
"""Requests of one connection that wait for the answers before theirs."""
MAX_REST_BYTES = 1024 * 1024
"""What is read away after an answer that did not wait for all of the request."""


class HardenedProtocol(HttpToolsProtocol):
    """One connection."""

    config: ServerConfig
    cycle: Answer
    flow: HeldFlow

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.flow = HeldFlow(transport)
        self._outgoing = Outgoing(transport, self.loop, self._end)
        self._reader = RequestReader()
        self._active: Answer | None = None
        """The answer under way; those of the requests that wait are in `pipeline`, the newest first."""
        self._is_over = False
        """Whether no more requests are read."""
        self._has_client_ended = False
        self._rest = 0
        self._deadline = Deadline(self.config.limits, self.loop.time)
        self.opened_at = self.loop.time()
        problem = self.config.limits.connections.admit(self, cast("MutableSet[Connection]", self.connections))
        if problem is not None and not transport.is_closing():
            self._refuse(problem)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.config.limits.connections.forget(self)
        if self._active is not None:
            self._disconnect(self._active)
            self._active = None
        self._drop_waiting()
        # Each holds the connection, which would stay until the garbage collector finds it.
        self._outgoing.detach()
        self.cycle = None  # type: ignore[assignment]  # as uvicorn has it before the first request

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            self._read_away(len(data))
            return
        self._reader.feed(data)
        self._read_on()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        # If there is nothing more to come, the event loop closes the connection itself.
        self._outgoing.flush()
        self._has_client_ended = True
        if not self._is_over and self._reader.content is not None:
            self._give_up_reading()
        self._stop_reading()
        if self._active is None:
            return False
        last = self.pipeline[0][0] if self.pipeline else self._active
        last.keep_alive = False
        return True

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._active = None
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start(cast("Answer", cycle), app)
        if self._is_over:
            return
        if self._reader.content is not None and self.cycle.response_complete:
            self.cycle.body.clear()
            self._rest = 0
        if self.flow.is_held:
            self.flow.is_held = False
            self._read_on()
        else:
            self._await_next()
        self.flow.resume_reading()

    def shutdown(self) -> None:
        self._outgoing.flush()
        super().shutdown()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked for that is not answered."""
        return self._active is None

    def check_time(self, now: float) -> None:
        """End what takes too long; called every second or so."""
        if self._outgoing.is_stalled(now):
            self.reset()
            return
        if self.transport.is_closing() or not self._deadline.is_over(now):
            return
        problem = self._deadline.problem(now)
        if problem is None:
            self._close()
        elif self.flow.read_paused or (self._reader.content is not None and self.cycle.waiting_for_100_continue):
            self._deadline.postpone(now)
        else:
            self._refuse(problem)

    def reset(self) -> None:
        """End the connection at once, in a way that the client sees; what is unsent is dropped."""
        self._outgoing.reset()

    def _read_on(self) -> None:
        reader = self._reader
        try:
            while not self._is_over:
                if len(self.pipeline) == MAX_WAITING and reader.content is None:
                    self.flow.hold()
                    break
                part = reader.read()
                if part is None:
                    break
                if isinstance(part, Head):
                    self._begin(part, self.app)
                else:
                    self._take(part)
                if reader.content is None:
                    self.cycle.more_body = False
                    self.cycle.message_event.set()
        except HttpProblem as problem:
            self._refuse(problem)
        else:
            self._await_next()

    def _begin(self, head: Head, app: ASGI3Application) -> None:
        self._deadline.set("nothing")
        self.cycle = Answer(
            scope_of(head, self.server, self.client),
            self._outgoing,
            self.flow,
            self.logger,
            self.access_logger,
            self.access_log,
            self.server_state.default_headers,
            asyncio.Event(),
            head.expects_continue,
            head.is_kept,
            self.on_response_complete,
        )
        self.cycle.common = self.config.common.of(self.server_state.default_headers)
        self.cycle.announcement = self.config.announcement
        if self._active is None:
            self._start(self.cycle, app)
        else:
            self.pipeline.appendleft((self.cycle, app))

    def _start(self, cycle: Answer, app: ASGI3Application) -> None:
        self._active = cycle
        self._start_asgi_task(cycle, app)

    def _take(self, piece: bytes) -> None:
        cycle = self.cycle
        if cycle.response_complete:
            self._read_away(len(piece))
            return
        cycle.body += piece
        cycle.message_event.set()
        if len(cycle.body) > HIGH_WATER_LIMIT:
            # That of a request that waits is nobody's until its turn.
            (self.flow.pause_reading if cycle is self._active else self.flow.hold)()

    def _await_next(self) -> None:
        if self._is_over:
            return
        if self._reader.content is not None:
            self._deadline.set("rest" if self.cycle.response_complete else "content")
        elif not self._reader.is_between:
            self._deadline.set("head")
        else:
            self._deadline.set("request" if self._active is None else "nothing")

    def _refuse(self, problem: HttpProblem) -> None:
        """Answer what is being read with `problem`, in its turn, and end the connection."""
        if self._reader.content is not None and not self._give_up_reading():
            self._stop_reading()
            if self._active is None:
                self._end()
            else:
                self._active.keep_alive = False
            return
        self._stop_reading()
        head = Head(self._reader.method, b"", b"", "1.1", self._reader.fields, is_kept=False, expects_continue=False)
        self._begin(head, cast("ASGI3Application", Refusal(problem)))

    def _give_up_reading(self) -> bool:
        """Leave the newest request, of which not all has come; tell whether it can still be answered otherwise."""
        if self.pipeline:
            self.pipeline.popleft()[0].on_response = _nothing
        elif self._active is None or self._active.response_started:
            return False
        else:
            self._disconnect(self._active)
            self._active = None
        return True

    def _end(self) -> None:
        """Close the connection after its last answer.

        What the client still sends is read away meanwhile: if it were left, or came to a closed connection, the client
        would be told so by a reset, and might lose the answer (RFC 9112, section 9.6).
        """
        if self._active is not None and self._active.ends_by_close and not self._active.response_complete:
            # RFC 9112, section 8: the client would take what it has for the whole.
            self.reset()
            return
        # Also one that was broken off, of whose end nobody else tells.
        self._active = None
        has_all = self._reader.is_between and not self._is_over and not self.pipeline and not self.flow.read_paused
        self._drop_waiting()
        self._stop_reading()
        if has_all or self._has_client_ended or self.transport.is_closing():
            self._close()
        else:
            self._deadline.set("rest")
            self._outgoing.flush()
            self.transport.write_eof()
            self.flow.release()

    def _close(self) -> None:
        self._outgoing.flush()
        self.transport.close()

    def _stop_reading(self) -> None:
        self._is_over = True
        self._deadline.set("nothing")
        self._rest = 0

    def _read_away(self, count: int) -> None:
        self._rest += count
        if self._rest > MAX_REST_BYTES:
            self._stop_reading()
            self._close()

    def _drop_waiting(self) -> None:
        for cycle, _ in self.pipeline:
            cycle.on_response = _nothing
        self.pipeline.clear()

    def _disconnect(self, cycle: Answer) -> None:
        cycle.disconnected = True
        cycle.message_event.set()


def _nothing() -> None:
    """Take the place of what is told of an answer."""
