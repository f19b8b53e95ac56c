"""From the start of a process until it answers that it is ready."""

import time

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Run, of_runs
from benchmarks.publishing import new_topic
from benchmarks.service import Kind, environment, running


async def measure(bench: Bench, kind: Kind) -> list[Figure]:
    """Start a process several times; the first start makes the topics and does not count."""
    topic = await new_topic(bench)
    async with bench.servers.database() as database:
        runs = []
        for _ in range(1 + bench.counts.starts):
            settings = environment(bench.servers.kafka.bootstrap, topic, database)
            async with running(kind, bench.folder, settings) as process:
                await process.ready()
                took = time.perf_counter() - process.started_at
                runs.append(Run(took, {kind: process.cpu_seconds}))
    return [of_runs("start_s", kind, "s", runs[1:])]
