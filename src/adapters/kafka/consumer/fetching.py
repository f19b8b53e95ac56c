"""Reads records from the client, one by one where one of them cannot be read.

The client drops what it has read beside a record that it fails on. Read one by one, that record is found.
"""

import asyncio
import logging
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence

import cramjam
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError

from domain.dead_letter import Record

_UNREADABLE = (
    CorruptRecordException,
    UnsupportedCodecError,
    cramjam.DecompressionError,
    zlib.error,
    EOFError,
    struct.error,
    UnicodeDecodeError,
    IndexError,
)
_PORTION_RECORDS = 200
_DOUBT_SECONDS = 60.0
"""Within which a record that cannot be read is met a second time, unlike one that was damaged on its way."""

Fetched = Mapping[TopicPartition, list[Record]]

logger = logging.getLogger(__name__)


def is_unreadable(error: Exception) -> bool:
    """Tell whether the client failed on a record's bytes: their checksum, their compression, or in its parser."""
    return isinstance(error, _UNREADABLE)


class Fetching:
    """How the next records are read from one consumer."""

    def __init__(self, consumer: AIOKafkaConsumer, on_unreadable: Callable[[TopicPartition, Exception], None]) -> None:
        """`on_unreadable` gets the partition whose next record cannot be read, and why."""
        self._consumer = consumer
        self._on_unreadable = on_unreadable
        self.single_fetches = 0
        """How many more times to read one by one."""
        self._doubted_at = float("-inf")

    def doubt(self, error: Exception, limit: int, now: float) -> None:
        """Read again what the client has failed on; the second time soon after, read one by one to find the culprit.

        `limit` is that of the poll that failed, `now` in seconds.
        """
        if now - self._doubted_at < _DOUBT_SECONDS:
            logger.warning("bisecting for an undecodable record", extra={"cause": repr(error)})
            # The culprit stands among the records of one poll.
            self.single_fetches = limit
        else:
            logger.warning("reading again what could not be read", extra={"cause": repr(error)})
        self._doubted_at = now

    async def getmany(self, partitions: Sequence[TopicPartition], timeout_ms: int, max_records: int) -> Fetched:
        """Read as the client does, or one record of each partition while `single_fetches` are left."""
        if self.single_fetches == 0:
            return await self._by_portions(partitions, timeout_ms, max_records)
        self.single_fetches -= 1
        # A wait for each partition in turn only where none has records, or the others would crawl.
        for wait_ms in (0, timeout_ms // len(partitions)):
            if (singles := await self._singles(partitions, wait_ms)) is not None:
                return singles
        return {}

    async def _singles(self, partitions: Sequence[TopicPartition], timeout_ms: int) -> Fetched | None:
        """Read one record of each partition; return None where there is none and nothing has failed."""
        singles: dict[TopicPartition, list[Record]] = {}
        has_failed = False
        for tp in partitions:
            try:
                singles |= await self._consumer.getmany(tp, timeout_ms=timeout_ms, max_records=1)
            except _UNREADABLE as error:
                has_failed = True
                self._on_unreadable(tp, error)
        return singles if singles or has_failed else None

    async def _by_portions(self, partitions: Sequence[TopicPartition], timeout_ms: int, max_records: int) -> Fetched:
        """Read as the client does, which parses records without a pause, and let others work in between."""
        fetched: dict[TopicPartition, list[Record]] = {}
        left = max_records
        while left > 0:
            portion: Fetched = await self._consumer.getmany(
                *partitions, timeout_ms=0 if fetched else timeout_ms, max_records=min(left, _PORTION_RECORDS)
            )
            if not portion:
                break
            for tp, records in portion.items():
                fetched.setdefault(tp, []).extend(records)
                left -= len(records)
            await asyncio.sleep(0)
        return fetched
