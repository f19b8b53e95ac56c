"""One consumer group of the legacy service's KafkaJS members and ours, as during a migration."""

import asyncio
import json
import shutil
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from adapters.kafka.connection import Brokers
from adapters.kafka.consumer.assignor import AssignorName, assignor_for
from adapters.kafka.consumer.event_source import KafkaEventSource
from domain.errors import WrongDeployment
from tests.support.events import an_event
from tests.support.kafka import KafkaServer
from tests.support.listeners import Witness
from tests.support.missing import missing
from tests.support.workers import one_at_a_time
from tests.support.world import World, as_records

FOLDER = Path(__file__).with_name("kafkajs")
ALL = {0, 1, 2, 3}


class KafkaJsMember:
    """A process that runs KafkaJS, and what it has said so far."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.leads = False
        self.partitions: set[int] = set()
        self.values: list[str] = []

    async def until(self, condition: Callable[[], bool]) -> None:
        """Listen until what it said fulfils the condition."""
        assert self._process.stdout is not None
        while not condition():
            line = await self._process.stdout.readline()
            assert line, "the KafkaJS member has ended"
            said = json.loads(line)
            if "value" in said:
                self.values.append(said["value"])
            else:
                self.leads, self.partitions = said["leads"], set(said["partitions"])

    async def leave(self) -> None:
        """Leave the group and end."""
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.communicate()


@pytest.fixture(scope="session")
def node() -> str:
    """The Node.js to run KafkaJS with, once KafkaJS is installed as its lock file says."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("no Node.js with npm to run KafkaJS")
    with one_at_a_time(FOLDER):
        if not (FOLDER / "node_modules" / "kafkajs").is_dir():
            subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=FOLDER, check=True)
    return node


@asynccontextmanager
async def kafkajs_member(node: str, kafka: KafkaServer, topic: str, group: str) -> AsyncIterator[KafkaJsMember]:
    """A KafkaJS member of a group."""
    environment = {"KAFKA_BROKER": kafka.bootstrap, "KAFKA_TOPIC": topic, "KAFKA_CONSUMER_GROUP": group}
    process = await asyncio.create_subprocess_exec(node, FOLDER / "member.mjs", env=environment, stdout=PIPE)
    member = KafkaJsMember(process)
    try:
        yield member
    finally:
        await member.leave()


@asynccontextmanager
async def our_member(kafka: KafkaServer, topic: str, group: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A member of ours; its id is the last one in order, so that KafkaJS leaves it out first."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=kafka.bootstrap,
        client_id="zzz",
        group_id=group,
        partition_assignment_strategy=[assignor_for("kafkajs")],
        auto_offset_reset="earliest",
        heartbeat_interval_ms=500,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def publish(kafka: KafkaServer, topic: str, partitions: set[int]) -> None:
    """Send one record to each partition, its value the partition's number."""
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        for partition in partitions:
            await producer.send_and_wait(topic, str(partition).encode(), partition=partition)


async def receive(consumer: AIOKafkaConsumer, count: int) -> list[str]:
    """Take records until there are `count`; gives their values in order."""
    values: list[str] = []
    while len(values) < count:
        for records in (await consumer.getmany(timeout_ms=100)).values():
            values += [record.value.decode() for record in records]
    return sorted(values)


def ours(consumer: AIOKafkaConsumer) -> set[int]:
    """The partitions that a member of ours has."""
    return {partition.partition for partition in consumer.assignment()}


async def share(kafka: KafkaServer, topic: str, consumer: AIOKafkaConsumer, member: KafkaJsMember) -> None:
    """Wait until both have half the partitions, then show that each receives what is its own."""
    await member.until(lambda: len(member.partitions) == 2)
    while len(ours(consumer)) != 2:
        await consumer.getmany(timeout_ms=100)
    assert ours(consumer) | member.partitions == ALL
    await publish(kafka, topic, ALL)
    assert await receive(consumer, 2) == sorted(map(str, ours(consumer)))
    await member.until(lambda: len(member.values) == 2)
    assert sorted(member.values) == sorted(map(str, member.partitions))


async def test_a_group_that_kafkajs_leads_shares_its_partitions_with_us(node: str, kafka: KafkaServer) -> None:
    """Joining later, we are given half of the partitions by KafkaJS."""
    topic, group = await kafka.new_topic(partitions=4), uuid4().hex
    async with kafkajs_member(node, kafka, topic, group) as member:
        await member.until(lambda: member.partitions == ALL)
        async with our_member(kafka, topic, group) as consumer:
            await share(kafka, topic, consumer, member)
            assert member.leads


async def test_a_group_that_we_lead_shares_its_partitions_with_kafkajs(node: str, kafka: KafkaServer) -> None:
    """Joining later, KafkaJS is given half of the partitions by us."""
    topic, group = await kafka.new_topic(partitions=4), uuid4().hex
    async with our_member(kafka, topic, group) as consumer:
        assert ours(consumer) == ALL
        async with kafkajs_member(node, kafka, topic, group) as member:
            await share(kafka, topic, consumer, member)
            assert not member.leads


async def test_a_member_that_kafkajs_leaves_out_waits_and_takes_over(node: str, kafka: KafkaServer) -> None:
    """With more members than partitions we are sent no assignment at all, and serve once KafkaJS has left."""
    topic, group = await kafka.new_topic(partitions=1), uuid4().hex
    async with kafkajs_member(node, kafka, topic, group) as member:
        await member.until(lambda: member.partitions == {0})
        async with our_member(kafka, topic, group) as consumer:
            assert await consumer.getmany(timeout_ms=100) == {}
            assert ours(consumer) == set()
            await member.leave()
            await publish(kafka, topic, {0})
            assert await receive(consumer, 1) == ["0"]


async def test_our_consumer_process_takes_its_share_of_a_live_kafkajs_group_and_then_all(
    node: str, kafka: KafkaServer, world: World
) -> None:
    """As in the change-over: it stores the records of its own partitions, and all once the last KafkaJS has left."""
    await world.make_topic(partitions=4)
    async with kafkajs_member(node, kafka, world.topic, world.group) as member:
        await member.until(lambda: member.partitions == ALL)
        consumer = await world.run("consumer", KAFKA_ASSIGNOR="kafkajs")
        await member.until(lambda: len(member.partitions) == 2)
        events = [an_event() for _ in range(40)]
        await world.send(*as_records(events, partitions=4))
        await world.stored([event.id for place, event in enumerate(events) if place % 4 not in member.partitions])
        await member.until(lambda: len(member.values) == 20)
        await member.leave()
        later = [an_event() for _ in range(40)]
        await world.send(*as_records(later, partitions=4))
        await world.stored([event.id for event in later], perhaps=[event.id for event in events])
    assert await consumer.terminate() == 0


async def test_a_kafkajs_group_refuses_another_assignor_and_we_name_the_setting(node: str, kafka: KafkaServer) -> None:
    """The broker refuses a member that shares no assignor with the others: the operator learns what to set."""
    topic, group = await kafka.new_topic(partitions=4), uuid4().hex
    source = KafkaEventSource(Brokers(kafka.bootstrap), topic=topic, group=group, assignor="range", session_timeout=30)
    source.subscribe(Witness())
    async with kafkajs_member(node, kafka, topic, group) as member:
        await member.until(lambda: member.partitions == ALL)
        try:
            with pytest.raises(WrongDeployment, match="KAFKA_ASSIGNOR=kafkajs"):
                await source.poll(1, wait=10)
        finally:
            await source.close()


@pytest.mark.parametrize(
    ("name", "spoken"),
    [("range", "range"), ("roundrobin", "roundrobin"), ("sticky", "sticky"), ("kafkajs", "RoundRobinAssigner")],
)
def test_each_setting_names_one_assignor(name: AssignorName, spoken: str) -> None:
    """What members call it among each other is fixed: a change would split running groups."""
    assert assignor_for(name).name == spoken
