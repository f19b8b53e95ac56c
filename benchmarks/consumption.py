"""One consumer process stores a backlog as fast as it can."""

import asyncio
import time
from pathlib import Path

from adapters.postgres.sessions.database import Database
from benchmarks.backlog import Backlog
from benchmarks.bench import Bench, difference
from benchmarks.event_lines import EventLines, span
from benchmarks.figures import Run
from benchmarks.service import Service, environment, running
from tests.support.postgres import connect

LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 60.0
"""Without a new line in the log."""


async def consume(bench: Bench, backlog: Backlog, database: Database, *, settle: bool = True) -> Run:
    """Have a new group handle the whole backlog; the value is events/s after the first batch.

    With `settle` it begins with a checkpoint, after which the database logs each page whole at its first write;
    without, it goes on where the last run ended.
    """
    servers = bench.servers
    if settle:
        await servers.settle()
    async with running("consumer", bench.folder, _settings(bench, backlog, database)) as consumer:
        lines = EventLines(consumer.log)
        await until(consumer, lines, 1)
        started = time.perf_counter()
        before = servers.cpu_seconds() | {"consumer": consumer.cpu_seconds}
        await until(consumer, lines, backlog.records)
        used = difference(before, servers.cpu_seconds() | {"consumer": consumer.cpu_seconds})
        took = time.perf_counter() - started
        bench.note_peak(consumer, f"backlog {backlog.variant}")
        await consumer.stop()
        # Once more, for lines that should not be there.
        handled = lines.look()
        assert handled == backlog.records, f"{handled} of {backlog.records} records were handled"
        rate = _rate(consumer.log, handled)
    return Run(rate, used, {"stored": lines.stored, "duplicates": lines.duplicates, "cpu_counted_for_s": took})


async def warm_up(bench: Bench, backlog: Backlog) -> None:
    """Have the beginning of a backlog handled, without measuring."""
    async with (
        bench.servers.database() as database,
        running("consumer", bench.folder, _settings(bench, backlog, database)) as consumer,
    ):
        await until(consumer, EventLines(consumer.log), bench.counts.warm_up_events)


async def until(consumer: Service, lines: EventLines, count: int) -> None:
    """Return when the consumer has logged the outcome of `count` events."""
    seen, since = 0, time.monotonic()
    while (now := lines.look()) < count:
        consumer.check()
        if now > seen:
            seen, since = now, time.monotonic()
        if time.monotonic() - since > PATIENCE_SECONDS:
            raise TimeoutError(f"no line for {PATIENCE_SECONDS:g} s after {seen} of {count} events")
        await asyncio.sleep(LOOK_SECONDS)


async def count_rows(database: Database) -> int:
    """Count the stored events."""
    connection = await connect(database)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM events"))
    finally:
        await connection.close()


async def consume_fresh(bench: Bench, backlog: Backlog) -> Run:
    """Have the backlog stored in a new database, and assert that the table has exactly its events."""
    async with bench.servers.database() as database:
        run = await consume(bench, backlog, database)
        stored = await count_rows(database)
    assert stored == backlog.distinct, f"{stored} rows are stored instead of {backlog.distinct}"
    return run


def _settings(bench: Bench, backlog: Backlog, database: Database) -> dict[str, str]:
    return environment(bench.servers.kafka.bootstrap, backlog.topic, database)


def _rate(log: Path, handled: int) -> float:
    first_batch, first, last = span(log)
    if handled == first_batch:
        raise ValueError("everything was in one batch, which gives no rate: take more events")
    return (handled - first_batch) / (last - first)
