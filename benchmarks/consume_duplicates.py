"""A backlog with duplicates, and a backlog that is stored already, beside a COPY of as many rows."""

from benchmarks.bench import Bench
from benchmarks.consumption import consume, consume_fresh, warm_up
from benchmarks.events import Variant
from benchmarks.figures import Figure, Run, compared
from benchmarks.raw_copy import raw_copy

_KEY = "consume_duplicates"
_VARIANT = Variant("v7", "200")


async def one_percent(bench: Bench) -> list[Figure]:
    """Each hundredth record repeats an earlier one."""
    backlog = await bench.backlog(_VARIANT, copies=True)
    if bench.counts.warm_up:
        await warm_up(bench, backlog)

    async def ours() -> Run:
        run = await consume_fresh(bench, backlog)
        _check(run, duplicates=backlog.records - backlog.distinct)
        return run

    figure = await compared(
        _KEY,
        "one-percent",
        "records/s",
        pairs=bench.counts.runs,
        limit=lambda: raw_copy(bench.servers, _VARIANT, backlog.records),
        ours=ours,
    )
    return [figure]


async def all_again(bench: Bench) -> list[Figure]:
    """Every record's event is stored already."""
    backlog = await bench.backlog(_VARIANT)
    async with bench.servers.database() as database:
        await consume(bench, backlog, database)

        async def ours() -> Run:
            run = await consume(bench, backlog, database)
            _check(run, duplicates=backlog.records)
            return run

        figure = await compared(
            _KEY,
            "all",
            "records/s",
            pairs=bench.counts.runs,
            limit=lambda: raw_copy(bench.servers, _VARIANT, backlog.records),
            ours=ours,
        )
    return [figure]


def _check(run: Run, *, duplicates: int) -> None:
    seen = run.also["duplicates"]
    assert seen == duplicates, f"{seen:g} duplicates were logged where there were {duplicates}"
