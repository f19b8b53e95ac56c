"""A batch that the log has not answered for yet, and who waits for that."""

from asyncio import Future, TimerHandle
from collections import deque
from collections.abc import Iterable

import msgspec
from aiokafka.structs import RecordMetadata


class Pending:
    """Lets any number of calls wait for one future, each until a moment of its own.

    `asyncio.wait` does that with a timer and a callback for each call, for three times the cost.
    """

    def __init__(self, word: Future[RecordMetadata]) -> None:
        """`word` is the log's, about the first of the batch's records."""
        self.word = word
        self.records = 0
        self.size = 0
        """Of all its records together, in bytes."""
        self._loop = word.get_loop()
        self._waiting: deque[tuple[float, Future[None]]] = deque()
        self._timer: TimerHandle | None = None
        word.add_done_callback(self._wake_all)

    def wait(self, end: float) -> Future[None]:
        """Make what is done with the word or at `end`, on the loop's clock.

        Calls wait in turn: one whose end comes before that of an earlier call waits for as long as that one.
        """
        waiter = self._loop.create_future()
        self._waiting.append((end, waiter))
        if self.word.done():
            self._wake_all(self.word)
        elif self._timer is None:
            self._timer = self._loop.call_at(end, self._wake_due)
        return waiter

    def _wake_due(self) -> None:
        now = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now:
            _wake(self._waiting.popleft()[1])
        self._timer = self._loop.call_at(self._waiting[0][0], self._wake_due) if self._waiting else None

    def _wake_all(self, _: Future[RecordMetadata]) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            _wake(self._waiting.popleft()[1])


def join(batches: Iterable[Pending], end: float) -> list[Future[None]]:
    """Begin to wait for some batches, each until `end`: awaited in turn, all take no longer than the longest."""
    # In all queues before the first pause: those who join later have a later end.
    return [batch.wait(end) for batch in batches]


class Sent(msgspec.Struct, frozen=True, gc=False):
    """Where a record stands."""

    batch: Pending
    place: int
    """In the batch, counted from 0."""


def _wake(waiter: Future[None]) -> None:
    # Whoever waited may have been cancelled.
    if not waiter.done():
        waiter.set_result(None)
