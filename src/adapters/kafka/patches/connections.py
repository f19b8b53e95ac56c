"""Connections: rotated passwords, broken connections under uvloop, throttling, causes of failures.

- The client uses the password that it was made with for ever. Upstream: no issue found.
- Under uvloop, a write to a connection that has just broken raises RuntimeError. The client catches OSError only, which
  is all that asyncio's own transports raise: its background tasks end, and partitions stop without a word. Upstream:
  aiokafka 1038.
- A broker whose quota is exceeded responds at once with a throttle time, and reads nothing for that long (KIP-219).
  The client ignores the time: its next request, and with it the connection, times out. Upstream: no issue of aiokafka
  found; the same is kafka-python 2506.
- The client logs why it cannot connect, and raises an error without the cause. Upstream: no issue found.
"""

import asyncio
from asyncio import Future
from typing import Any

import aiokafka.conn
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaError

from adapters.kafka.connection_failures import cause_of, forget_failure, note_failure

_FIRST_REQUESTS = 2


def patch_connections() -> None:
    """Make every client of this process use `_Connection`."""
    aiokafka.conn.AIOKafkaConnection = _Connection


def throttled_until(user: AIOKafkaProducer | AIOKafkaConsumer) -> float:
    """Return until when brokers throttle this client, in the event loop's time; -inf if none does."""
    client = user.client if isinstance(user, AIOKafkaProducer) else user._client
    return max((connection.throttled_until for connection in client._conns.values()), default=float("-inf"))


class _Connection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka publishes no types
    """Asks for its password, checks that it is open before each write, and waits while it is throttled."""

    _sasl_plain_password: Any
    throttled_until = float("-inf")

    async def connect(self) -> Any:
        try:
            # `Brokers.sasl_password`, which the client passes on unread.
            if callable(self._sasl_plain_password):
                self._sasl_plain_password = self._sasl_plain_password()
            streams = await super().connect()
        except (KafkaError, OSError, TimeoutError) as error:
            self._note(error)
            raise
        forget_failure(self._address)
        return streams

    def close(self, reason: CloseReason | None = None, exc: BaseException | None = None) -> Any:
        # The first requests ask for versions and log in: a close meanwhile is a failure to connect.
        if exc is not None and self._requests and self._correlation_id <= _FIRST_REQUESTS:
            self._note(exc)
        return super().close(reason, exc)

    @property
    def _address(self) -> str:
        return f"{self._host}:{self._port}"

    def _note(self, error: BaseException) -> None:
        cause = cause_of(
            error, protocol=self._security_protocol, mechanism=self._sasl_mechanism, limit=self._request_timeout
        )
        note_failure(self._address, cause)

    def send(self, request: Any, expect_response: bool = True) -> Any:
        self._close_if_broken()
        if self._is_throttled():
            return self._send_later(request, expect_response)
        sending = super().send(request, expect_response)
        if expect_response:
            _, _, answer = self._requests[-1]
            answer.add_done_callback(self._note_throttle)
        return sending

    def _send_sasl_token(self, payload: bytes, expect_response: bool = True) -> Any:
        self._close_if_broken()
        return super()._send_sasl_token(payload, expect_response)

    def _close_if_broken(self) -> None:
        if self._writer is not None and self._writer.is_closing():
            self.close(reason=CloseReason.CONNECTION_BROKEN)

    def _is_throttled(self) -> bool:
        return self.throttled_until > self._loop.time() and not self._closed_fut.done()

    async def _send_later(self, request: Any, expect_response: bool) -> Any:
        while self._is_throttled():
            await asyncio.wait([self._closed_fut], timeout=self.throttled_until - self._loop.time())
        return await self.send(request, expect_response)

    def _note_throttle(self, answer: Future[Any]) -> None:
        if answer.cancelled() or answer.exception() is not None:
            return
        milliseconds = getattr(answer.result(), "throttle_time_ms", 0)
        if milliseconds > 0:
            self.throttled_until = self._loop.time() + milliseconds / 1000
