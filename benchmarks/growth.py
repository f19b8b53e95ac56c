"""Rates and lists when the table has many rows."""

from dataclasses import replace

from benchmarks.bench import Bench
from benchmarks.consumption import consume, consume_fresh, warm_up
from benchmarks.events import Variant
from benchmarks.figures import Figure, Run, compared, of_runs
from benchmarks.listing import list_pages
from benchmarks.percentiles import percentile
from benchmarks.publishing import new_topic
from benchmarks.service import environment, running

_VARIANT = Variant("v7", "200")


async def pages(bench: Bench) -> list[Figure]:
    """List the newest rows, those of a far page, and those of one user."""
    database = await bench.standing()
    topic = await new_topic(bench)
    async with running("api", bench.folder, environment(bench.servers.kafka.bootstrap, topic, database)) as api:
        await api.ready()
        times = await list_pages(api.port, requests=bench.counts.requests, page=bench.counts.far_page)
        bench.note_peak(api, "listing")
    return [
        of_runs(
            "growth",
            variant,
            "ms",
            [Run(percentile(each, 99), also={"p50_ms": percentile(each, 50), "max_ms": max(each)})],
        )
        for variant, each in times.items()
    ]


async def consumption(bench: Bench) -> list[Figure]:
    """Store the same backlogs in an empty table and in the full one.

    The full one has been written to since its last checkpoint, as nearly always; the rate of the first half million
    events after a checkpoint is noted beside it.
    """
    standing = await bench.standing()
    # Each run needs its own: the full table keeps the events of earlier ones.
    firsts = [await bench.backlog(_VARIANT, number=number) for number in range(bench.counts.runs)]
    backlogs = [await bench.backlog(_VARIANT, number=bench.counts.runs + number) for number in range(bench.counts.runs)]
    if bench.counts.warm_up:
        await warm_up(bench, backlogs[0])
    empty_turns, first_turns, full_turns = iter(backlogs), iter(firsts), iter(backlogs)

    async def full() -> Run:
        first = await consume(bench, next(first_turns), standing)
        backlog = next(full_turns)
        run = await consume(bench, backlog, standing, settle=False)
        assert run.also["stored"] == backlog.records, "not every event was new"
        return replace(run, also={**run.also, "events/s behind a checkpoint": first.value})

    figure = await compared(
        "growth",
        "consume",
        "events/s",
        pairs=bench.counts.runs,
        limit=lambda: consume_fresh(bench, next(empty_turns)),
        ours=full,
    )
    return [figure]
