"""Makes the Kafka client cope with a connection that has just broken under uvloop.

There a write to it raises RuntimeError. The client is prepared for OSError only, as all that asyncio's own transports
raise: its background tasks would end, and partitions would stand still until they are noticed.
"""

from typing import Any

import aiokafka.conn
from aiokafka.conn import AIOKafkaConnection, CloseReason


def mind_broken_connections() -> None:
    """Let every client of this process use `_Connection`: they make their connections themselves, by this name."""
    aiokafka.conn.AIOKafkaConnection = _Connection


class _Connection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka publishes no types
    """A connection that learns in time that it has broken."""

    def send(self, request: Any, expect_response: bool = True) -> Any:
        self._close_if_broken()
        return super().send(request, expect_response)

    def _send_sasl_token(self, payload: bytes, expect_response: bool = True) -> Any:
        self._close_if_broken()
        return super()._send_sasl_token(payload, expect_response)

    def _close_if_broken(self) -> None:
        if self._writer is not None and self._writer.is_closing():
            self.close(reason=CloseReason.CONNECTION_BROKEN)
