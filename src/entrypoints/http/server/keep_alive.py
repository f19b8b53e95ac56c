"""HTTP/1.1 with one timer a connection for how long it may be idle, where the server makes one a request."""

import math
from asyncio import TimerHandle

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class KeepAliveProtocol(HttpToolsProtocol):
    """Ends a connection on which nothing has come for the server's time, after an answer and before the next request.

    The server's own timer, `timeout_keep_alive_task`, is not used.
    """

    _idle_until = math.inf
    """By the loop's clock; for ever from the beginning of a request until its answer."""
    _idle_timer: TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._idle_timer is not None:
            self._idle_timer.cancel()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._idle_until = math.inf

    def on_response_complete(self) -> None:
        """Go on as the server does, its timer aside."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_until = self.loop.time() + self.timeout_keep_alive
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_at(self._idle_until, self._end_if_idle)

    def _unset_keepalive_if_required(self) -> None:
        """Called when something has come, which may be no request but the rest of a body that was refused."""
        if self._idle_until < math.inf:
            self._idle_until = self.loop.time() + self.timeout_keep_alive

    def _end_if_idle(self) -> None:
        self._idle_timer = None
        if self._idle_until <= self.loop.time():
            self.timeout_keep_alive_handler()
        elif self._idle_until < math.inf:
            self._idle_timer = self.loop.call_at(self._idle_until, self._end_if_idle)
