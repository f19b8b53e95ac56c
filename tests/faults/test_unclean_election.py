"""What the service cannot promise: a cluster that forgets acknowledged records."""

import pytest

from tests.faults.invariants import PromiseBroken
from tests.faults.stage import Stage


async def test_14_unclean_leader_election(stage: Stage) -> None:
    """A replica that lacks acknowledged events becomes the leader, as its topic allows; the suite reports the loss."""
    await stage.topics.make(stage.topic, unclean_leader_election_enable="true")
    api = await stage.run("api")
    async with stage.http_load(api) as load:
        await load.acknowledged(stage.events // 2)
        leader = await stage.leader()
        lagging = next(node for node in stage.kafka.nodes if node != leader)
        stage.kafka.freeze(lagging)
        await stage.kafka.out_of_sync(stage.topic, lagging)
        await load.more(stage.events // 4)
        stage.struck_in_flight(load, "all replicas in sync killed")
        for node in stage.kafka.nodes:
            if node != lagging:
                await stage.kafka.kill(node)
        stage.kafka.thaw(lagging)
        stage.struck("unclean leader", await stage.kafka.led_by_other(stage.topic, 0, leader))
        await stage.heal()
        await load.acknowledged(stage.events)
    await stage.run("consumer")
    with pytest.raises(PromiseBroken) as broken:
        await stage.prove(load)
    # An event that was lost and then repeated is behind its user's later ones, so that D may be broken too.
    assert {"A", "J"} <= broken.value.promises <= {"A", "D", "J"}
