"""Topics in Kafka: made where they are missing, checked where they stand."""

from uuid import uuid4

import pytest

from adapters.kafka.connection import Brokers
from adapters.kafka.topics import Topic, ensure_topics
from domain.errors import WrongDeployment
from tests.support.kafka import KafkaServer
from tests.support.records import Topics

KAFKAS_OWN_LIMIT = "1048588"


def a_topic(name: str, *, partitions: int | None = None, is_ordered: bool = True, min_isr: int | None = 1) -> Topic:
    """A topic as it should be."""
    return Topic(name, partitions, 1, min_isr, 3_600_000, 1_048_576, is_ordered)


@pytest.fixture
def name() -> str:
    """The name of a topic of this test's own."""
    return f"test-{uuid4().hex}"


async def test_missing_topic_is_made_as_it_should_be(kafka: KafkaServer, name: str) -> None:
    """And stands the next time, without a complaint."""
    brokers = Brokers(kafka.bootstrap)
    for is_new in (True, False):
        (report,) = await ensure_topics(brokers, [a_topic(name, partitions=3)])
        assert (report.is_new, report.partitions, report.replication, report.warnings) == (is_new, 3, 1, [])


async def test_number_of_partitions_is_demanded_only_where_order_is_kept(kafka: KafkaServer, name: str) -> None:
    """Dead letters have none; without a demand whatever stands will do."""
    await Topics(kafka.bootstrap).make(name, partitions=2, retention_ms="3600000")
    brokers = Brokers(kafka.bootstrap)
    with pytest.raises(WrongDeployment, match="has 2 partitions, but KAFKA_PARTITIONS is 3"):
        await ensure_topics(brokers, [a_topic(name, partitions=3)])
    for topic in (a_topic(name, partitions=3, is_ordered=False), a_topic(name)):
        (report,) = await ensure_topics(brokers, [topic])
        assert (report.is_new, report.partitions, report.warnings) == (False, 2, [])


async def test_topic_that_takes_more_than_is_wanted_is_fine(kafka: KafkaServer, name: str) -> None:
    """As one with Kafka's own limit does."""
    await Topics(kafka.bootstrap).make(
        name, max_message_bytes=KAFKAS_OWN_LIMIT, min_insync_replicas="2", retention_ms="3600000"
    )
    (report,) = await ensure_topics(Brokers(kafka.bootstrap), [a_topic(name)])
    assert report.warnings == []


async def test_topic_that_falls_short_is_told_and_left_alone(kafka: KafkaServer, name: str) -> None:
    """Each difference in a line of its own."""
    await Topics(kafka.bootstrap).make(name, max_message_bytes="1000", min_insync_replicas="1", retention_ms="7200000")
    for _ in range(2):
        (report,) = await ensure_topics(Brokers(kafka.bootstrap), [a_topic(name, min_isr=2)])
        assert sorted(report.warnings) == [
            "max.message.bytes is 1000, wanted 1048576",
            "min.insync.replicas is 1, wanted 2",
            "retention.ms is 7200000, wanted 3600000",
        ]
