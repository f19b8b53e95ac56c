"""Publishes events into the embedded log."""

from collections.abc import Sequence
from zlib import crc32

from adapters.postgres.event_log.deadline_writer import DeadlineWriter
from adapters.postgres.event_log.record_writer import NewRecord
from adapters.records import codec
from application.ports import Receipt
from domain.errors import Rejected, Unavailable
from domain.event import UserEvent


class PostgresEventPublisher(DeadlineWriter):
    """`EventPublisher` over a topic of the embedded log; the events of a call stand together or not at all."""

    async def publish(
        self, events: Sequence[UserEvent], traceparent: bytes | None = None
    ) -> list[Receipt | Rejected | Unavailable]:
        headers = codec.record_headers(traceparent)
        drafts = [(codec.encode_key(event), codec.encode(event)) for event in events]
        return await self.send([NewRecord(crc32(key), key, value, headers) for key, value in drafts])
