"""A backlog → rows, beside a plain loop."""

from benchmarks.bench import Bench
from benchmarks.consumption import consume_fresh, warm_up
from benchmarks.events import Variant
from benchmarks.figures import Figure, compared
from benchmarks.naive import naive


async def measure(bench: Bench, variant: Variant) -> list[Figure]:
    """Measure one variant."""
    backlog = await bench.backlog(variant)
    if bench.counts.warm_up:
        await warm_up(bench, backlog)
    figure = await compared(
        "consume_vs_naive",
        str(variant),
        "events/s",
        pairs=bench.counts.runs,
        limit=lambda: naive(bench.servers, backlog, bench.counts.naive_events),
        ours=lambda: consume_fresh(bench, backlog),
    )
    return [figure]
