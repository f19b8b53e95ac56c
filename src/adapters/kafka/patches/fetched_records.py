"""Fetched records: undecodable records before the wanted offset, and offsets without a record.

- A broker returns whole batches, and the client decodes every record of a batch, also those before the offset that it
  reads from. If one of these cannot be decoded, the records behind it in the batch are never read, also after the
  partition was told to skip it. Here they are not decoded. Upstream: aiokafka 321 is about such records in general.
- The client does not say which offsets transactions use. An audit has to distinguish them from missing records
  (`docs/audit.md`). Upstream: no issue found.
- The client's records cost the consumer a fifth of its processor time; here they are `LogRecord`s.
"""

from collections.abc import Callable
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint

from adapters.records.log_record import LogRecord

_DEFAULT_FORMAT = 2

NotePassedOver = Callable[[int, int], None]
"""Is called with the first offset of a transaction's end or of aborted records, and the offset behind the last."""


def patch_fetched_records() -> None:
    """Make every consumer of this process use the classes below.

    Deserializers then do nothing: a consumer may have a `NotePassedOver` as its `value_deserializer`.
    """
    fetcher.MemoryRecords = _Batches
    fetcher.PartitionRecords = _PartitionRecords


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka publishes no types
    """The records of one partition in a response, from the wanted offset on."""

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

    def _consumer_record(self, tp: Any, record: Any) -> LogRecord:
        headers = tuple(record.headers)
        return LogRecord(tp.topic, tp.partition, record.offset, record.timestamp, record.key, record.value, headers)


class _Batches(_MemoryRecordsPy):  # type: ignore[misc]
    """The batches of a response; the first may begin before the wanted offset."""

    begin = 0
    last: Any = None
    """The batch that was returned last."""

    def next_batch(self) -> Any:
        data = self._next_slice
        batch = super().next_batch()
        if batch.magic >= _DEFAULT_FORMAT and batch.base_offset < self.begin:
            batch = _EndOfBatch(data, self.begin)
        self.last = batch
        return batch


class _EndOfBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """A batch whose records before `begin` are not decoded. It is slower than the client's own, and seldom needed."""

    _pos: int

    def __init__(self, data: memoryview, begin: int) -> None:
        super().__init__(data)
        self._begin = begin

    def _read_msg(self) -> Any:
        # A record: length, attributes, differences of time and offset from the batch's first, and the rest.
        length, start = decode_varint(self._buffer, self._pos)
        _, position = decode_varint(self._buffer, start + 1)
        difference, _ = decode_varint(self._buffer, position)
        offset = self.base_offset + difference
        if offset >= self._begin:
            return super()._read_msg()
        self._pos = start + length
        return _DefaultRecordPy(offset, self.first_timestamp, self.timestamp_type, None, None, [])
