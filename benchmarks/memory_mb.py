"""The peak memory of the processes under the loads of the other benchmarks."""

from benchmarks.bench import Bench
from benchmarks.consumption import consume_fresh
from benchmarks.events import Variant
from benchmarks.figures import Figure, Run
from benchmarks.publishing import new_topic, publish
from benchmarks.service import Kind, environment, running


async def measure(bench: Bench, kind: Kind) -> list[Figure]:
    """Read the noted peaks; if there was no load yet, make one."""
    if kind not in bench.peaks_mb:
        await (_load_consumer(bench) if kind == "consumer" else _load_api(bench))
    peaks = bench.peaks_mb[kind]
    highest = max(peaks.values())
    return [Figure("memory_mb", kind, highest, "MiB", runs=(Run(highest, also=peaks),))]


async def _load_consumer(bench: Bench) -> None:
    await consume_fresh(bench, await bench.backlog(Variant("v7", "200")))


async def _load_api(bench: Bench) -> None:
    topic = await new_topic(bench)
    async with (
        bench.servers.database() as database,
        running("api", bench.folder, environment(bench.servers.kafka.bootstrap, topic, database)) as api,
    ):
        await api.ready()
        await publish(bench, [api], "single", "200", topic)
