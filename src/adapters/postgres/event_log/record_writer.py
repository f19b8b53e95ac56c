"""Appends records to one topic of the embedded log."""

import asyncio
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.in_flight import InFlight, size_of
from adapters.postgres.event_log.topics import partition_ids
from adapters.postgres.sessions.transactions import begin
from adapters.records import codec
from application.ports import Receipt

RECORDS_CHANNEL = "event_log_records"

_encode = msgspec.json.Encoder().encode

# In the order of ids, so that two writers of the same partitions never wait for each other in a circle.
_LOCK = """
SELECT id, next_offset, (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now
FROM log_partitions WHERE id = ANY($1::int[]) ORDER BY id FOR UPDATE
"""
_APPEND = """
WITH appended AS (
    INSERT INTO log_records (partition_id, "offset", "timestamp", key, value, headers)
    SELECT partition_id, place, $8::bigint, key, value, headers::json
    FROM unnest($1::int[], $2::bigint[], $3::bytea[], $4::bytea[], $5::text[])
         AS given (partition_id, place, key, value, headers)
), moved AS (
    UPDATE log_partitions AS head SET next_offset = given.next_offset
    FROM unnest($6::int[], $7::bigint[]) AS given (id, next_offset)
    WHERE head.id = given.id
)
SELECT pg_notify($9, $10)
"""


class NewRecord(NamedTuple):
    """A record that is to be appended."""

    partition: int
    """Any number: the same one chooses the same partition."""
    key: bytes | None
    value: bytes | None
    headers: codec.Headers


class _Call(NamedTuple):
    records: Sequence[NewRecord]
    sizes: Sequence[int]
    receipts: asyncio.Future[list[Receipt]]


class LogWriter:
    """Base of the ports that append to a topic; calls that come while a transaction is in flight share the next one."""

    def __init__(self, engine: AsyncEngine, topic: str, in_flight: InFlight | None = None) -> None:
        """`in_flight` bounds what waits to be written or is being written, also where its caller has given up."""
        self._engine = engine
        self._topic = topic
        self._in_flight = in_flight or InFlight()
        self._ids: list[int] = []
        self._calls: list[_Call] = []
        self._writing: asyncio.Task[None] | None = None

    async def find_topic(self) -> None:
        """Look up the topic's partitions once, since they never change; raises where there is no such topic."""
        if not self._ids:
            self._ids = await partition_ids(self._engine, self._topic)

    async def append(self, records: Sequence[NewRecord]) -> list[Receipt]:
        """Append all of `records` in one transaction, or none; one receipt each, in order, once they are durable.

        Raises `Unavailable` at once where too much is in flight.
        """
        if not records:
            return []
        await self.find_topic()
        sizes = [size_of(each.key, each.value, each.headers) for each in records]
        call = _Call(records, sizes, asyncio.get_running_loop().create_future())
        self._in_flight.add(call.sizes)
        self._calls.append(call)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return await call.receipts

    async def ping(self) -> None:
        """Return when the topic is there."""
        await partition_ids(self._engine, self._topic)

    async def close(self) -> None:
        """Return when every call has been answered."""
        if self._writing is not None:
            await self._writing

    async def _write_all(self) -> None:
        while self._calls:
            calls, self._calls = self._calls, []
            # Whoever was cancelled while waiting has been told that the outcome is unknown.
            await self._answer([call for call in calls if not call.receipts.done()])
            for call in calls:
                self._in_flight.remove(sum(call.sizes), len(call.sizes))

    async def _answer(self, calls: Sequence[_Call]) -> None:
        try:
            receipts = iter(await self._write([*chain.from_iterable(call.records for call in calls)]))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is for those who wait to hear
            for call in calls:
                if not call.receipts.done():
                    call.receipts.set_exception(error)
            return
        for call in calls:
            own = [next(receipts) for _ in call.records]
            if not call.receipts.done():
                call.receipts.set_result(own)

    async def _write(self, records: Sequence[NewRecord]) -> list[Receipt]:
        if not records:
            return []
        partitions = [record.partition % len(self._ids) for record in records]
        ids = [self._ids[partition] for partition in partitions]
        async with begin(self._engine) as connection:
            heads = (await connection.exec_driver_sql(_LOCK, (sorted(set(ids)),))).all()
            following: dict[int, int] = {head.id: head.next_offset for head in heads}
            offsets = []
            for partition_id in ids:
                offsets.append(following[partition_id])
                following[partition_id] += 1
            await connection.exec_driver_sql(
                _APPEND,
                (
                    ids,
                    offsets,
                    [record.key for record in records],
                    [record.value for record in records],
                    # Values, which may be any bytes, in base64.
                    [_encode(record.headers).decode() for record in records],
                    [*following],
                    [*following.values()],
                    heads[0].now,
                    RECORDS_CHANNEL,
                    self._topic,
                ),
            )
        return [*map(Receipt, partitions, offsets)]
