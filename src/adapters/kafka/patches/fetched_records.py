"""Records before the wanted offset that cannot be decoded, and offsets that hold no record.

- A broker returns whole batches, and the client decodes every record of a batch, also those before the offset that it
  was told to read from. An earlier one that it cannot decode would bar the way to all behind it in its batch, also
  once it was skipped; here it is passed by. Upstream: aiokafka 321 is about such records in general.
- The client does not tell which offsets transactions take. An audit has to know them from records that are missing
  (`docs/audit.md`). Upstream: no issue is known.
"""

from collections.abc import Callable
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint

_DEFAULT_FORMAT = 2

NotePassedOver = Callable[[int, int], None]
"""Learns that a transaction's end or aborted records take the offsets from the first up to the second."""


def patch_fetched_records() -> None:
    """Let every consumer of this process use the classes below: the client makes them by these names.

    Deserializers do nothing then. In the place of one for values a consumer may have a `NotePassedOver`.
    """
    fetcher.MemoryRecords = _Batches
    fetcher.PartitionRecords = _PartitionRecords


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka publishes no types
    """What a broker answered for one partition, and from where on it is wanted."""

    def __init__(self, tp: Any, batches: "_Batches", aborted: Any, fetch_offset: int, *options: Any) -> None:
        batches.begin = fetch_offset
        self._batches = batches
        self._note_passed_over: NotePassedOver | None = options[1]
        super().__init__(tp, batches, aborted, fetch_offset, None, None, *options[2:])

    def _consume_aborted_up_to(self, batch_offset: int) -> None:
        super()._consume_aborted_up_to(batch_offset)
        batch = self._batches.last
        is_aborted = batch.is_transactional and batch.producer_id in self._aborted_producers
        if self._note_passed_over is not None and (is_aborted or batch.is_control_batch):
            self._note_passed_over(batch.base_offset, batch.next_offset)


class _Batches(_MemoryRecordsPy):  # type: ignore[misc]
    """The batches of an answer, of which the first may begin before what is wanted."""

    begin = 0
    last: Any = None
    """The batch that was handed out last."""

    def next_batch(self) -> Any:
        data = self._next_slice
        batch = super().next_batch()
        if batch.magic >= _DEFAULT_FORMAT and batch.base_offset < self.begin:
            batch = _EndOfBatch(data, self.begin)
        self.last = batch
        return batch


class _EndOfBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """A batch whose records before `begin` are not looked into; slower than the client's own, and seldom needed."""

    _pos: int

    def __init__(self, data: memoryview, begin: int) -> None:
        super().__init__(data)
        self._begin = begin

    def _read_msg(self) -> Any:
        # Every record: its length, attributes, distances in time and offset from the batch's first, and the rest.
        length, start = decode_varint(self._buffer, self._pos)
        place = start + 1
        _, place = decode_varint(self._buffer, place)
        distance, _ = decode_varint(self._buffer, place)
        offset = self.base_offset + distance
        if offset >= self._begin:
            return super()._read_msg()
        self._pos = start + length
        return _DefaultRecordPy(offset, self.first_timestamp, self.timestamp_type, None, None, [])
