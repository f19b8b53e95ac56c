"""Brokers hang, die and come back; the cluster keeps a leader, or says that it has none."""

import asyncio

import pytest

from tests.faults.evidence import partition_of
from tests.faults.http_load import CONNECTIONS, HttpLoad
from tests.faults.network import broker_proxies
from tests.faults.servers import OFFSETS_TOPIC
from tests.faults.stage import Stage
from tests.support.framing import kafka_requests
from tests.support.proxy import proxied
from tests.support.waiting import eventually
from tools.kafka import probe

_FREEZE_SECONDS = 60.0
_FOUND_SECONDS = 60.0


async def test_09_leader_frozen_for_a_minute(stage: Stage) -> None:
    """Another one leads, and what the frozen one was sent last is published again or was never confirmed."""
    api, _consumer = await stage.run_both()
    async with stage.http_load(api) as load:
        await load.acknowledged(stage.events // 4)
        leader = await stage.leader()
        stage.struck_in_flight(load, "leader frozen")
        stage.kafka.freeze(leader)
        load.pause = 0.1
        await asyncio.gather(asyncio.sleep(_FREEZE_SECONDS), stage.kafka.led_by_other(stage.topic, 0, leader))
        load.pause = 0.0
        await load.more(stage.events // 4)
        await stage.heal()
        await load.acknowledged(stage.events)
    await stage.prove(load)
    stage.struck("answers that the frozen leader did not confirm", len(api.lines("event not acknowledged")))


async def test_10_leader_killed_five_times(stage: Stage) -> None:
    """Each new leader has all that was acknowledged, and is killed in its turn."""
    api, _consumer = await stage.run_both()
    starts = stage.kafka.starts
    async with stage.http_load(api) as load:
        for _ in range(5):
            await load.more(stage.events // 6)
            leader = await stage.leader()
            stage.struck_in_flight(load, "leader killed")
            await stage.kafka.kill(leader)
            await asyncio.gather(stage.kafka.restart(leader), stage.kafka.led_by_other(stage.topic, 0, leader))
        await stage.heal()
        await load.acknowledged(stage.events)
    await stage.prove(load)
    stage.struck("starts of killed brokers", stage.kafka.starts - starts)


async def test_11_rolling_restart(stage: Stage) -> None:
    """An operator restarts one broker after the other, each in order and once the former is in sync again."""
    api, _consumer = await stage.run_both()
    starts = stage.kafka.starts
    async with stage.http_load(api) as load:
        for node in stage.kafka.nodes:
            await load.more(stage.events // 5)
            stage.struck_in_flight(load, "broker restarted")
            await stage.kafka.restart(node)
            await stage.kafka.heal()
        await stage.heal()
        await load.acknowledged(stage.events)
    await stage.prove(load)
    stage.struck("starts of restarted brokers", stage.kafka.starts - starts)


@pytest.mark.quick
async def test_12_two_of_three_brokers_dead(stage: Stage) -> None:
    """With one replica left nothing is confirmed: 503 with Retry-After and the id, until there are two again."""
    api, _consumer = await stage.run_both()
    async with stage.http_load(api) as load:
        await load.acknowledged(stage.events // 2)
        survivor = await stage.leader()
        stage.struck_in_flight(load, "two brokers killed")
        await asyncio.gather(*(stage.kafka.kill(node) for node in stage.kafka.nodes if node != survivor))

        async def all_are_turned_away() -> bool:
            return load.turned_away >= CONNECTIONS

        await eventually(all_are_turned_away, "503 for every client")
        await stage.heal()
        await load.acknowledged(stage.events)
    await stage.prove(load)
    stage.struck("answers 503", load.turned_away)


async def test_13_coordinator_killed_during_a_commit(stage: Stage) -> None:
    """The commit counts or not; the new coordinator knows the group, and the batch is at worst read again."""
    await stage.run("consumer")
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 2)
        commit = stage.brokers.hold("OffsetCommit")
        await commit.arrived()
        coordinator = await stage.coordinator()
        offsets_partition = await partition_of(stage.topics, stage.group)
        stage.struck_in_flight(load, "coordinator killed")
        load.pause = 0.1
        await stage.kafka.kill(coordinator)
        commit.release()
        new_coordinator = await stage.kafka.led_by_other(OFFSETS_TOPIC, offsets_partition, coordinator)
        stage.struck("the coordinator is another one now", new_coordinator)
        await stage.heal()
        load.pause = 0.0
        await load.acknowledged(stage.events)
    await stage.prove(load)


async def test_39_brokers_at_new_addresses(stage: Stage) -> None:
    """Behind the same bootstrap address, and nothing is published meanwhile: both are ready again by themselves."""
    servers = {node: proxy.server_port for node, proxy in stage.brokers.items()}
    ports = dict(zip(servers, probe.free_ports(len(servers)), strict=True))
    async with proxied(servers[1], kafka_requests) as bootstrap, broker_proxies(servers, ports) as moved:
        api, consumer = await stage.run_both(KAFKA_BROKER=f"127.0.0.1:{bootstrap.port}")
        async with stage.http_load(api, most=stage.events // 2) as load:
            await load.acknowledged(stage.events // 2)
        await stage.brokers.refuse()
        await asyncio.gather(api.not_ready(), consumer.not_ready())
        await stage.kafka.move(ports)

        async def are_ready() -> bool:
            return await api.is_ready() and await consumer.is_ready()

        await eventually(are_ready, "ready at the new addresses", within=_FOUND_SECONDS)
        stage.struck("connections to the old addresses ended", stage.brokers.connections_cut)
        async with HttpLoad(f"{stage.seed}/moved", api.port) as later:
            await later.acknowledged(stage.events // 2)
        stage.struck("events published at the new addresses", moved.seen["Produce"])
        stage.healed()
        await stage.prove(load, later)
