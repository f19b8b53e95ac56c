"""`POST /events/generate`, acknowledged by the broker, beside a minimal app."""

from benchmarks.bare_asgi import bare_asgi
from benchmarks.bench import Bench
from benchmarks.closed_loop import closed_loop
from benchmarks.events import Size
from benchmarks.figures import Figure, Run, compared
from benchmarks.publishing import CONNECTIONS, new_topic, publish, seen
from benchmarks.service import environment, running
from benchmarks.usage import cpu_seconds


async def measure(bench: Bench, size: Size) -> list[Figure]:
    """Measure one size."""
    topic = await new_topic(bench)
    async with (
        bench.servers.database() as database,
        running("api", bench.folder, environment(bench.servers.kafka.bootstrap, topic, database)) as api,
        bare_asgi(bench.folder) as (bare_pid, bare_port),
    ):
        await api.ready()

        async def ours() -> Run:
            return await publish(bench, [api], "single", size, topic)

        async def limit() -> Run:
            before = cpu_seconds(bare_pid)
            load = await closed_loop(
                [bare_port],
                connections=CONNECTIONS["single"],
                seconds=bench.counts.load_seconds,
                what="single",
                size=size,
            )
            used = {"app": cpu_seconds(bare_pid) - before, "client": load.client_cpu_seconds}
            return seen(load, used, server="app")

        return [
            await compared(
                "post_vs_asgi",
                size,
                "requests/s",
                pairs=bench.counts.runs,
                limit=limit,
                ours=ours,
                warm_up=bench.counts.warm_up,
            )
        ]
