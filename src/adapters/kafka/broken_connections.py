"""Connections of the Kafka client that ask for the password, notice that they broke, and remember why others failed.

The client keeps the password that it was made with, for ever.

Under uvloop a write to a connection that has just broken raises RuntimeError. The client is prepared for OSError only,
as all that asyncio's own transports raise: its background tasks would end, and partitions would stand still until they
are noticed.
"""

from typing import Any

import aiokafka.conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaError

from adapters.kafka.connection_failures import cause_of, forget_failure, note_failure

_FIRST_REQUESTS = 2


def mind_broken_connections() -> None:
    """Let every client of this process use `_Connection`: they make their connections themselves, by this name."""
    aiokafka.conn.AIOKafkaConnection = _Connection


class _Connection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka publishes no types
    """A connection that asks for its password, and learns in time that it has broken."""

    _sasl_plain_password: Any

    async def connect(self) -> Any:
        try:
            # The client hands on what it was given, here `Brokers.sasl_password`.
            if callable(self._sasl_plain_password):
                self._sasl_plain_password = self._sasl_plain_password()
            streams = await super().connect()
        except (KafkaError, OSError, TimeoutError) as error:
            self._note(error)
            raise
        forget_failure(self._address)
        return streams

    def close(self, reason: CloseReason | None = None, exc: BaseException | None = None) -> Any:
        # Behind the versions and, it may be, the login comes the first real request.
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
        return super().send(request, expect_response)

    def _send_sasl_token(self, payload: bytes, expect_response: bool = True) -> Any:
        self._close_if_broken()
        return super()._send_sasl_token(payload, expect_response)

    def _close_if_broken(self) -> None:
        if self._writer is not None and self._writer.is_closing():
            self.close(reason=CloseReason.CONNECTION_BROKEN)
