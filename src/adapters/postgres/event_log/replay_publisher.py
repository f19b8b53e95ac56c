"""Publishes dead letters into the embedded log again."""

from collections.abc import Sequence
from zlib import crc32

from adapters.postgres.event_log.deadline_writer import DeadlineWriter
from adapters.postgres.event_log.record_writer import NewRecord
from adapters.records import replays
from application.dead_letters.jobs import ReplayItem
from application.ports import Receipt
from domain.errors import Rejected, Unavailable


class PostgresReplayPublisher(DeadlineWriter):
    """`ReplayPublisher` over the events' topic of the embedded log."""

    async def publish(self, items: Sequence[ReplayItem]) -> Sequence[Receipt | Rejected | Unavailable]:
        return await replays.published(items, self._append)

    async def _append(self, some: Sequence[replays.Replay]) -> Sequence[Receipt | Rejected | Unavailable]:
        return await self.send([NewRecord(crc32(each.key or b""), *each) for each in some])
