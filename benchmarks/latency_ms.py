"""From the 201 to the row, at a steady rate."""

from collections.abc import Callable, Mapping, Sequence

from benchmarks.bench import Bench, difference
from benchmarks.consumption import until
from benchmarks.event_lines import EventLines, stored_moments
from benchmarks.figures import Figure, Run, of_runs
from benchmarks.open_loop import Accepted, Plan, open_loop
from benchmarks.percentiles import percentile
from benchmarks.publishing import new_topic
from benchmarks.service import environment, running

_PER_SECOND = 1_000
_MILLISECONDS = 1_000


async def measure(bench: Bench) -> list[Figure]:
    """Send at a fixed rate, in each run with new processes; the warm-up does not count."""
    runs = [await _run(bench) for _ in range(bench.counts.runs)]
    return [of_runs("latency_ms", variant, "ms", [run[variant] for run in runs]) for variant in runs[0]]


async def _run(bench: Bench) -> Mapping[str, Run]:
    """Measure once; return a run for each variant of the figure."""
    counts = bench.counts
    plan = Plan(_PER_SECOND, counts.steady_warm_up_seconds + counts.steady_seconds)
    topic = await new_topic(bench)
    async with bench.servers.database() as database:
        settings = environment(bench.servers.kafka.bootstrap, topic, database)
        async with (
            running("api", bench.folder, settings) as api,
            running("consumer", bench.folder, settings) as consumer,
        ):
            await api.ready()
            await consumer.ready()
            await bench.servers.settle()

            def used() -> dict[str, float]:
                return bench.servers.cpu_seconds() | {"api": api.cpu_seconds, "consumer": consumer.cpu_seconds}

            before = used()
            accepted, client = await open_loop(api.port, plan)
            cpu = difference(before, used()) | {"client": client}
            await until(consumer, EventLines(consumer.log), plan.count)
            bench.note_peak(api, "1,000 events/s")
            bench.note_peak(consumer, "1,000 events/s")
            await consumer.stop()
            stored = dict(stored_moments(consumer.log))
    warm = sorted(accepted, key=lambda each: each.intended)[round(_PER_SECOND * counts.steady_warm_up_seconds) :]
    assert len(stored) == plan.count, f"{len(stored)} events were stored where {plan.count} were accepted"
    publishing = {
        f"publish_p{rank}_ms": percentile([each.at - each.intended for each in warm], rank) * _MILLISECONDS
        for rank in (50, 99)
    }
    return {
        **_variants("", warm, lambda each: stored[each.event_id] - each.at, Run(0.0, cpu, publishing)),
        **_variants("-from-intended", warm, lambda each: stored[each.event_id] - each.intended, Run(0.0, cpu)),
    }


def _variants(
    suffix: str, events: Sequence[Accepted], latency: Callable[[Accepted], float], seen: Run
) -> dict[str, Run]:
    latencies = [latency(each) * _MILLISECONDS for each in events]
    values = {"p50": percentile(latencies, 50), "p99": percentile(latencies, 99), "max": max(latencies)}
    return {name + suffix: Run(value, seen.cpu_seconds, seen.also) for name, value in values.items()}
