"""Records, and the batches in which they are sent; any number of calls can wait for a batch."""

import asyncio
from asyncio import Future, TimerHandle
from collections import deque
from collections.abc import Sequence

import msgspec
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata


class ProducerRecord(msgspec.Struct, frozen=True, gc=False):
    """A record to be sent."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class RecordBatch:
    """Records of one partition that the brokers acknowledge together."""

    def __init__(self, builder: BatchBuilder) -> None:
        self.builder = builder
        self.records = 0
        self.size = 0
        """Of all records together in bytes, without their frames."""
        self.ack: RecordMetadata | None = None
        """Where the first of the records is in the log."""
        self.error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._waiters: deque[tuple[float, Future[None]]] = deque()
        self._timer: TimerHandle | None = None

    @property
    def is_answered(self) -> bool:
        """Whether it has been acknowledged, or has failed."""
        return self.ack is not None or self.error is not None

    def append(self, record: ProducerRecord, size: int) -> int | None:
        """Return the record's index; None if the batch is closed or full. An empty batch takes a record of any size."""
        key, value, headers = record.key, record.value, list(record.headers)
        if self.builder.append(timestamp=None, key=key, value=value, headers=headers) is None:
            return None
        self.size += size
        self.records += 1
        return self.records - 1

    def answer(self, ack: RecordMetadata | None, error: BaseException | None = None) -> None:
        """Set the result, and wake all who wait."""
        self.ack, self.error = ack, error
        self._wake()

    def wait(self, end: float) -> Future[None]:
        """Return a future that is done once this is answered, or at `end` in the loop's time.

        One timer serves all calls in turn, since a timer for each takes longer than the append. A call whose end is
        before that of an earlier call waits for as long as that.
        """
        waiter = self._loop.create_future()
        self._waiters.append((end, waiter))
        if self._timer is None:
            self._timer = self._loop.call_at(end, self._wake)
        return waiter

    def _wake(self) -> None:
        while self._waiters and (self.is_answered or self._waiters[0][0] <= self._loop.time()):
            _, waiter = self._waiters.popleft()
            # The waiting call may have been cancelled.
            if not waiter.done():
                waiter.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._waiters[0][0], self._wake) if self._waiters else None


AppendedRecord = tuple[RecordBatch, int]
"""The batch that a record is in, and its index there."""
