"""What an acknowledgement is worth when its leader dies."""

import asyncio

import pytest

from tests.faults.stage import Stage

_FROZEN_SECONDS = 2.0
"""Well below the 6 s after which the controller takes a silent broker for dead."""


@pytest.mark.quick
async def test_33_leader_killed_while_both_followers_are_frozen(stage: Stage) -> None:
    """What no follower has is not acknowledged, so nothing acknowledged is lost with the leader."""
    await stage.topics.make(stage.topic, partitions=1)
    api, _consumer = await stage.run_both()
    async with stage.http_load(api) as load:
        await load.acknowledged(stage.events // 2)
        leader = await stage.leader()
        followers = [node for node in stage.kafka.nodes if node != leader]
        before = stage.brokers[leader].seen["Produce"]
        # One that gets there after the freeze: the api may have a single request in flight, which came before.
        only_for_leader = stage.brokers[leader].hold("Produce")
        await only_for_leader.arrived()
        for node in followers:
            stage.kafka.freeze(node)
        only_for_leader.release()
        await asyncio.sleep(_FROZEN_SECONDS)
        stage.struck("requests that only the leader got", stage.brokers[leader].seen["Produce"] - before)
        stage.struck_in_flight(load, "leader killed, its followers frozen")
        await stage.kafka.kill(leader)
        for node in followers:
            stage.kafka.thaw(node)
        stage.struck("the leader is another one now", await stage.kafka.led_by_other(stage.topic, 0, leader))
        await stage.heal()
        await load.acknowledged(stage.events)
    await stage.prove(load)
