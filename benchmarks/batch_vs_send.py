"""`POST /events/batch` beside the Kafka client alone, with the same records."""

from benchmarks.bench import Bench
from benchmarks.events import Size
from benchmarks.figures import Figure, Run, compared
from benchmarks.publishing import new_topic, publish
from benchmarks.raw_send import raw_send
from benchmarks.service import environment, running


async def measure(bench: Bench, size: Size) -> list[Figure]:
    """Measure one size."""
    topic = await new_topic(bench)
    async with (
        bench.servers.database() as database,
        running("api", bench.folder, environment(bench.servers.kafka.bootstrap, topic, database)) as api,
    ):
        await api.ready()

        async def ours() -> Run:
            return await publish(bench, [api], "batch", size, topic)

        async def limit() -> Run:
            return await raw_send(bench.servers, topic, size, bench.counts.load_seconds)

        return [
            await compared(
                "batch_vs_send",
                size,
                "events/s",
                pairs=bench.counts.runs,
                limit=limit,
                ours=ours,
                warm_up=bench.counts.warm_up,
            )
        ]
