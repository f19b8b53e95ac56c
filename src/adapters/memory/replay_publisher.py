"""Publishes dead letters to the log in memory again."""

from collections.abc import Sequence

from adapters.memory.log import MemoryLog
from adapters.memory.outage import Outage
from adapters.records import replays
from application.dead_letters.jobs import ReplayItem
from application.ports import Receipt
from domain.errors import Rejected, Unavailable


class MemoryReplayPublisher(Outage):
    """A `ReplayPublisher`; an outage that the port can name is the outcome of every letter."""

    def __init__(self, log: MemoryLog, topic: str, max_record_bytes: int = 1024 * 1024) -> None:
        self._log = log
        self._topic = topic
        self._max_record_bytes = max_record_bytes

    async def publish(self, items: Sequence[ReplayItem]) -> Sequence[Receipt | Rejected | Unavailable]:
        return await replays.published(items, self._send)

    async def _send(self, some: Sequence[replays.Replay]) -> Sequence[Receipt | Rejected | Unavailable]:
        try:
            await self._reach()
        except (Rejected, Unavailable) as outage:
            return [outage for _ in some]
        return [self._append(replay) for replay in some]

    def _append(self, replay: replays.Replay) -> Receipt | Rejected:
        if len(replay.key or b"") + len(replay.value or b"") > self._max_record_bytes:
            return Rejected(f"the record is larger than {self._max_record_bytes} bytes")
        record = self._log.append(self._topic, *replay)
        return Receipt(record.partition, record.offset)
