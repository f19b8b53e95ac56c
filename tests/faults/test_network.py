"""The way from the api to the brokers is blocked in one direction, or long."""

import asyncio
import time

from tests.faults.history import Outcome
from tests.faults.stage import Stage

_LATENCY_SECONDS = 2.0
_LATE_SECONDS = 12.0


async def test_15_requests_of_the_api_vanish_on_their_way(stage: Stage) -> None:
    """Clients get a 503, the consumer goes on, and in the end each event is stored once."""
    api, consumer = await asyncio.gather(
        stage.run("api"),
        # Past the proxies: the network is broken for the api alone.
        stage.run("consumer", KAFKA_BROKER=stage.topics.bootstrap),
    )
    async with stage.http_load(api) as load:
        await load.acknowledged(stage.events // 2)
        stage.struck_in_flight(load, "requests blocked")
        for way in stage.brokers.requests:
            way.block()
        await api.logged("event not acknowledged")
        await api.not_ready()
        assert await consumer.is_ready()
        stage.struck("bytes withheld", stage.brokers.withheld)
        await stage.heal()
        await load.acknowledged(stage.events)
        await api.ready()
    await stage.prove(load)


async def test_16_brokers_far_away(stage: Stage) -> None:
    """With 2 s each way all is slow, and nothing else: clients are answered and the group keeps its member."""
    api, consumer = await stage.run_both()
    async with stage.http_load(api) as load:
        await load.acknowledged(stage.events // 2)
        stage.struck_in_flight(load, "latency")
        stage.brokers.delay(_LATENCY_SECONDS)
        since = time.time()
        await asyncio.sleep(_LATE_SECONDS)
        await stage.heal()
        await load.acknowledged(stage.events)
    seen = await stage.prove(load)
    late = [event for event in load.history.events.values() if event.acked and event.acked > since + _LATENCY_SECONDS]
    stage.struck("slowest acknowledgement in seconds", max(each.acked - each.first_sent for each in late if each.acked))
    assert not load.history.with_outcome(Outcome.FAILED)
    assert consumer.text.count(f"Joined group '{stage.group}'") == 1
    assert seen.letters == []
