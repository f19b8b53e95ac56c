"""Topics in Kafka: made where they are missing, checked where they exist."""

from dataclasses import replace
from uuid import uuid4

import pytest

from adapters.kafka.connection import Brokers
from adapters.kafka.topic_settings import Topic
from adapters.kafka.topics import ensure_topics
from domain.errors import WrongDeployment
from tests.support.command import user_events
from tests.support.kafka import KafkaServer
from tests.support.records import Topics
from tests.support.service import Kind
from tests.support.world import World

KAFKAS_OWN_LIMIT = "1048588"


def a_topic(name: str, *, partitions: int | None = None, is_ordered: bool = True, min_isr: int | None = 1) -> Topic:
    """A topic as it should be."""
    return Topic(name, partitions, 1, min_isr, 3_600_000, 1_048_576, is_ordered)


@pytest.fixture
def name() -> str:
    """The name of a topic of this test's own."""
    return f"test-{uuid4().hex}"


async def test_missing_topic_is_made_as_it_should_be(kafka: KafkaServer, name: str) -> None:
    """And exists the next time, without a complaint."""
    brokers = Brokers(kafka.bootstrap)
    for is_new in (True, False):
        (report,) = await ensure_topics(brokers, [a_topic(name, partitions=3)])
        assert (report.is_new, report.partitions, report.replication, report.warnings) == (is_new, 3, 1, [])


async def test_number_of_partitions_is_demanded_only_where_order_is_kept(kafka: KafkaServer, name: str) -> None:
    """Dead letters have none; without a demand any existing topic will do."""
    await Topics(kafka.bootstrap).make(name, partitions=2, retention_ms="3600000")
    brokers = Brokers(kafka.bootstrap)
    with pytest.raises(WrongDeployment, match="has 2 partitions, but KAFKA_PARTITIONS is 3"):
        await ensure_topics(brokers, [a_topic(name, partitions=3)])
    for topic in (a_topic(name, partitions=3, is_ordered=False), a_topic(name)):
        (report,) = await ensure_topics(brokers, [topic])
        assert (report.is_new, report.partitions, report.warnings) == (False, 2, [])


async def test_topic_that_takes_more_than_is_wanted_is_fine(kafka: KafkaServer, name: str) -> None:
    """As one with Kafka's own limit does."""
    await Topics(kafka.bootstrap).make(name, max_message_bytes=KAFKAS_OWN_LIMIT, retention_ms="3600000")
    (report,) = await ensure_topics(Brokers(kafka.bootstrap), [a_topic(name)])
    assert report.warnings == []


async def test_topic_that_falls_short_is_logged_and_left_alone(kafka: KafkaServer, name: str) -> None:
    """Each difference in a line of its own."""
    await Topics(kafka.bootstrap).make(name, max_message_bytes="1000", min_insync_replicas="1", retention_ms="7200000")
    for _ in range(2):
        (report,) = await ensure_topics(Brokers(kafka.bootstrap), [a_topic(name, min_isr=2)])
        assert sorted(report.warnings) == [
            "max.message.bytes is 1000, wanted 1048576",
            "min.insync.replicas is 1, wanted 2",
            "retention.ms is 7200000, wanted 3600000",
        ]


async def test_new_topic_is_not_made_with_the_clusters_risky_defaults(kafka: KafkaServer, name: str) -> None:
    """What protects events is set with the topic itself."""
    await ensure_topics(Brokers(kafka.bootstrap), [a_topic(name), replace(a_topic(f"{name}-dlq"), retention_ms=-1)])
    settings = {topic: await Topics(kafka.bootstrap).settings(topic) for topic in (name, f"{name}-dlq")}
    for standing in settings.values():
        assert (standing["cleanup.policy"], standing["message.timestamp.type"]) == ("delete", "CreateTime")
    assert (settings[f"{name}-dlq"]["retention.ms"], settings[f"{name}-dlq"]["retention.bytes"]) == ("-1", "-1")


async def test_every_risk_of_an_existing_topic_is_logged(world: World) -> None:
    """By `user-events topics`, which changes nothing and succeeds: the service can work on it."""
    await world.topics.make(
        world.topic,
        retention_bytes="1000000",
        unclean_leader_election_enable="true",
        min_insync_replicas="2",
        message_timestamp_type="LogAppendTime",
    )
    await world.topics.make(world.dlq_topic, retention_ms="-1", retention_bytes="5000000", max_message_bytes="1000")
    before = await world.topics.settings(world.topic)
    finished = await user_events("topics", environment=world.environment)
    assert finished.exit_code == 0, finished
    told = [line for line in finished.stderr.splitlines() if line.startswith(world.topic)]
    assert [line.removeprefix(f"{world.topic}").split(" is ")[0] for line in told] == [
        ": retention.bytes",
        ": unclean.leader.election.enable",
        ": min.insync.replicas",
        ": message.timestamp.type",
        "-dlq: max.message.bytes",
        "-dlq: retention.bytes",
    ]
    assert "older brokers take no records" in finished.stderr
    assert await world.topics.settings(world.topic) == before


@pytest.mark.parametrize("compacted", ["topic", "dlq_topic"])
@pytest.mark.parametrize("creates", ["true", "false"])
async def test_compacted_topic_is_refused_with_the_remedy(world: World, compacted: str, creates: str) -> None:
    """By the command and at start, also without the right to make topics; once it is mended both go on."""
    name: str = getattr(world, compacted)
    for topic in (world.topic, world.dlq_topic):
        await world.topics.make(topic, cleanup_policy="compact,delete" if topic == name else "delete")
    remedy = f"--entity-name {name} --add-config cleanup.policy=delete"
    finished = await user_events("topics", environment=world.environment)
    assert (finished.exit_code, finished.stdout) == (1, "")
    (line,) = [each for each in finished.stderr.splitlines() if each.startswith("{")]
    assert f"topic {name} has cleanup.policy=compact,delete: compaction deletes all acknowledged records" in line
    assert line.count(remedy) == 1
    kinds: tuple[Kind, Kind] = ("api", "consumer")
    for kind in kinds:
        process = await world.start(kind, KAFKA_CREATE_TOPICS=creates)
        assert await process.ended() == 1
        (last,) = [line for line in process.lines() if line["level"] == "critical"]
        assert remedy in last["event"]
        assert "Traceback" not in process.text
    await world.topics.configure(name, cleanup_policy="delete")
    assert (await user_events("topics", environment=world.environment)).exit_code == 0
    await world.run("consumer", KAFKA_CREATE_TOPICS=creates)


async def test_topics_that_are_missing_are_not_made_where_that_is_off(world: World) -> None:
    """A line says so; the process waits for them as for everything else."""
    consumer = await world.start("consumer", KAFKA_CREATE_TOPICS="false")
    await consumer.logged("topic settings need attention")
    assert {line["topic"] for line in consumer.lines("topic settings need attention")} == {
        world.topic,
        world.dlq_topic,
    }
    assert await world.topics.partitions(world.topic) == {}
    assert await user_events("topics", environment=world.environment)
    await consumer.ready()
