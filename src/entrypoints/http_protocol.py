"""HTTP/1.1 with a bound on what a client can make the server keep before a request is one."""

from asyncio import Transport
from asyncio.events import TimerHandle

from entrypoints.http_upgrades import UpgradeIgnoringProtocol

HEAD_SECONDS = 10.0
MAX_HEAD_BYTES = 64 * 1024


class BoundedProtocol(UpgradeIgnoringProtocol):
    """Refuses a request whose head (its line and headers) is too long or takes too long, and ends the connection.

    The server itself waits for ever, and its parser collects whatever comes.
    """

    _head_timer: TimerHandle | None = None
    """Running while a head is awaited."""
    _head_bytes = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_timer is not None and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(f"The request's head is longer than {MAX_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(
            HEAD_SECONDS, self._refuse, f"The request's head did not arrive within {HEAD_SECONDS:g} seconds."
        )

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, reason: str) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            self.send_400_response(reason)
