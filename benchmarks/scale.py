"""Two processes of a kind beside one."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from adapters.postgres.sessions.database import Database
from benchmarks.backlog import Backlog
from benchmarks.bench import Bench, difference
from benchmarks.consumption import LOOK_SECONDS, PATIENCE_SECONDS, consume_fresh, warm_up
from benchmarks.event_lines import EventLines, first_batch, stored_moments
from benchmarks.events import Size, Variant
from benchmarks.figures import Figure, Run, compared
from benchmarks.publishing import new_topic, publish
from benchmarks.service import environment, running

_VARIANT = Variant("v7", "200")
_SIZE: Size = "200"


async def apis(bench: Bench) -> list[Figure]:
    """Publish through one and through both."""
    topic = await new_topic(bench)
    async with bench.servers.database() as database:
        settings = environment(bench.servers.kafka.bootstrap, topic, database)
        async with (
            running("api", bench.folder, settings) as first,
            running("api", bench.folder, settings) as second,
        ):
            await first.ready()
            await second.ready()
            figure = await compared(
                "scale",
                "apis",
                "requests/s",
                pairs=bench.counts.runs,
                limit=lambda: publish(bench, [first], "single", _SIZE, topic),
                ours=lambda: publish(bench, [first, second], "single", _SIZE, topic),
                warm_up=bench.counts.warm_up,
            )
    return [figure]


async def consumers(bench: Bench) -> list[Figure]:
    """Store a backlog with one and with both."""
    # More than elsewhere: one of them works alone until the group is complete, which takes seconds.
    backlog = await bench.backlog(_VARIANT, size=2)
    if bench.counts.warm_up:
        await warm_up(bench, backlog)

    async def both() -> Run:
        async with bench.servers.database() as database:
            return await _consume_by_both(bench, backlog, database)

    figure = await compared(
        "scale",
        "consumers",
        "events/s",
        pairs=bench.counts.runs,
        limit=lambda: consume_fresh(bench, backlog),
        ours=both,
    )
    return [figure]


async def _consume_by_both(bench: Bench, backlog: Backlog, database: Database) -> Run:
    settings = environment(bench.servers.kafka.bootstrap, backlog.topic, database)
    await bench.servers.settle()
    async with (
        running("consumer", bench.folder, settings) as first,
        running("consumer", bench.folder, settings) as second,
    ):
        pair = (first, second)

        def used() -> dict[str, float]:
            return bench.servers.cpu_seconds() | {"consumer": sum(each.cpu_seconds for each in pair)}

        lines = [EventLines(each.log) for each in pair]
        await _stored(lines, 1)
        before, started = used(), time.perf_counter()
        await _stored(lines, backlog.records)
        cpu, took = difference(before, used()), time.perf_counter() - started
        await asyncio.gather(*(each.stop() for each in pair))
        rate, together = _together([each.log for each in pair])
        return Run(rate, cpu, {"together_s": together, "cpu_counted_for_s": took})


async def _stored(lines: Sequence[EventLines], count: int) -> None:
    """Return when `count` events are stored; a rebalance may have some handled twice."""
    deadline = time.monotonic() + PATIENCE_SECONDS * len(lines)
    while True:
        for each in lines:
            each.look()
        if sum(each.stored for each in lines) >= count:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{[each.stored for each in lines]} events were stored of {count}")
        await asyncio.sleep(LOOK_SECONDS)


def _together(logs: Sequence[Path]) -> tuple[float, float]:
    """Return the rate while both were at work, and for how many seconds.

    It begins after the first batch of the later one, and ends when one of them is finished.
    """
    moments = [[moment for _id, moment in stored_moments(log)] for log in logs]
    # In the smoke test the first to join may have stored everything before the other one joins.
    at_work = [each for each in moments if each]
    begin = max(max(first_batch(each)) for each in at_work)
    end = min(each[-1] for each in at_work)
    if begin >= end:
        begin, end = min(each[0] for each in at_work), max(each[-1] for each in at_work)
    stored = sum(begin < moment <= end for each in moments for moment in each)
    return stored / (end - begin), end - begin
