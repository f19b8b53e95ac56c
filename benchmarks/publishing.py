"""Clients publish through api processes, as fast as these can."""

from collections.abc import Sequence
from uuid import uuid4

from benchmarks.backlog import PARTITIONS
from benchmarks.bench import Bench, difference
from benchmarks.closed_loop import Load, What, closed_loop
from benchmarks.events import Size
from benchmarks.figures import Cpu, Run
from benchmarks.service import Service
from tests.support.records import Topics

_MICROSECONDS = 1_000_000
CONNECTIONS: dict[What, int] = {"single": 64, "batch": 8}


async def publish(bench: Bench, apis: Sequence[Service], what: What, size: Size, topic: str) -> Run:
    """Send to all `apis` for the length of a run; the value is acknowledged events/s."""
    before = _used(bench, apis)
    topics = Topics(bench.servers.kafka.bootstrap)
    stood = sum((await topics.ends(topic)).values())
    load = await closed_loop(
        [api.port for api in apis],
        connections=CONNECTIONS[what],
        seconds=bench.counts.load_seconds,
        what=what,
        size=size,
    )
    used = difference(before, _used(bench, apis)) | {"client": load.client_cpu_seconds}
    appended = sum((await topics.ends(topic)).values()) - stood
    assert appended == load.all_events, f"{appended} records were appended for {load.all_events} accepted events"
    for api in apis:
        bench.note_peak(api, f"{what} {size}")
    return seen(load, used, server="api")


def seen(load: Load, used: Cpu, *, server: str) -> Run:
    """Make a run from a load: events/s, the latency of requests, and the processor time of an event on each side."""
    return Run(
        load.events / load.seconds,
        used,
        {
            "p50_ms": load.p50_ms,
            "p99_ms": load.p99_ms,
            f"{server}_cpu_us_an_event": used[server] / load.all_events * _MICROSECONDS,
            "client_cpu_us_an_event": used["client"] / load.all_events * _MICROSECONDS,
        },
    )


async def new_topic(bench: Bench) -> str:
    """Make a topic to publish to."""
    topic = f"published-{uuid4().hex[:8]}"
    await Topics(bench.servers.kafka.bootstrap).make(topic, partitions=PARTITIONS)
    return topic


def _used(bench: Bench, apis: Sequence[Service]) -> dict[str, float]:
    return bench.servers.cpu_seconds() | {"api": sum(api.cpu_seconds for api in apis)}
