"""A backlog → rows, beside a COPY of the same rows."""

from benchmarks.bench import Bench
from benchmarks.consumption import consume_fresh, warm_up
from benchmarks.events import Variant
from benchmarks.figures import Figure, compared
from benchmarks.raw_copy import raw_copy


async def measure(bench: Bench, variant: Variant) -> list[Figure]:
    """Measure one variant."""
    backlog = await bench.backlog(variant)
    if bench.counts.warm_up:
        await raw_copy(bench.servers, variant, bench.counts.warm_up_events)
        await warm_up(bench, backlog)
    figure = await compared(
        "consume_vs_copy",
        str(variant),
        "events/s",
        pairs=bench.counts.runs,
        limit=lambda: raw_copy(bench.servers, variant, backlog.records),
        ours=lambda: consume_fresh(bench, backlog),
    )
    return [figure]
