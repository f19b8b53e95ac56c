"""The limit of the database: a COPY of prepared rows."""

import gc
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import uvloop

from adapters.postgres.sessions.database import Database
from adapters.records import codec
from benchmarks.apart import apart
from benchmarks.backlog import partition_of
from benchmarks.events import Variant, events
from benchmarks.figures import Run
from benchmarks.servers import Servers
from benchmarks.usage import cpu_seconds
from tests.support.postgres import PostgresServer, connect

_COLUMNS = ("id", "user_id", "event_type", "payload", "occurred_at", "log_partition", "log_offset")
_ROWS_PER_COPY = (1_000, 5_000, 20_000)

Row = tuple[object, ...]


async def raw_copy(servers: Servers, variant: Variant, count: int) -> Run:
    """Copy rows like those of a backlog into new tables, in parts of several sizes; the best rate counts, in rows/s."""
    databases = [await servers.new_database() for _ in _ROWS_PER_COPY]
    try:
        return await apart(_measure, databases, servers.postgres.admin, servers.postgres_pid, variant, count)
    finally:
        for database in databases:
            await servers.drop(database)


def _measure(databases: Sequence[Database], admin: Database, server_pid: int, variant: Variant, count: int) -> Run:
    rows = list(_rows(variant, count))
    # Otherwise the garbage collector would walk through all of them again and again.
    gc.freeze()
    tried = {
        size: uvloop.run(_copy(database, admin, server_pid, rows, size))
        for database, size in zip(databases, _ROWS_PER_COPY, strict=True)
    }
    best = max(tried.values(), key=lambda run: run.value)
    return Run(best.value, best.cpu_seconds, {f"rows/s by {size}": run.value for size, run in tried.items()})


async def _copy(database: Database, admin: Database, server_pid: int, rows: Sequence[Row], size: int) -> Run:
    await PostgresServer(admin).execute("CHECKPOINT")
    connection = await connect(database)
    try:
        client, server, started = time.process_time(), cpu_seconds(server_pid), time.perf_counter()
        for start in range(0, len(rows), size):
            # Each is a transaction of its own.
            await connection.copy_records_to_table("events", records=rows[start : start + size], columns=_COLUMNS)
        took = time.perf_counter() - started
        used = {"client": time.process_time() - client, "database": cpu_seconds(server_pid) - server}
        stored = await connection.fetchval("SELECT count(*) FROM events")
        assert stored == len(rows), f"{stored} rows are stored instead of {len(rows)}"
    finally:
        await connection.close()
    return Run(len(rows) / took, used)


def _rows(variant: Variant, count: int) -> Iterator[Row]:
    offsets: Counter[int] = Counter()
    for event in events(variant, count):
        partition = partition_of(codec.encode_key(event))
        yield (
            event.id,
            event.user_id,
            event.event_type,
            event.payload.decode(),
            event.occurred_at,
            partition,
            offsets[partition],
        )
        offsets[partition] += 1
