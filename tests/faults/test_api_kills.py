"""The api is killed in the middle of requests, before and after the brokers have what it was asked to publish."""

import asyncio

import pytest

from tests.faults.stage import Stage
from tests.support.waiting import eventually


@pytest.mark.quick
async def test_01_api_killed_mid_request(stage: Stage) -> None:
    """What it acknowledged is kept; what was in flight its clients send again, and it is stored once."""
    api, _consumer = await asyncio.gather(
        # Past the proxies, so that they keep back only the api's requests and the answers to it.
        stage.run("api"),
        stage.run("consumer", KAFKA_BROKER=stage.topics.bootstrap),
    )

    async def acknowledgements_are_withheld() -> bool:
        return stage.brokers.withheld > 0

    async with stage.http_load(api) as load:
        await load.acknowledged(stage.events // 3)
        produce = stage.brokers.hold("Produce")
        await produce.arrived()
        stage.struck_in_flight(load, "api killed before the brokers had them")
        await api.kill9()
        produce.drop()
        api = await stage.run_again(api)

        await load.acknowledged(stage.events * 2 // 3)
        for way in stage.brokers.answers:
            way.block()
        await eventually(acknowledgements_are_withheld, "acknowledgements withheld")
        stage.struck_in_flight(load, "api killed after the brokers had them")
        stage.struck("bytes of acknowledgements withheld", stage.brokers.withheld)
        await api.kill9()
        await stage.heal()
        await stage.run_again(api)
        await load.acknowledged(stage.events)
    await stage.prove(load)
