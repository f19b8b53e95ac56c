"""Make the topics, or check the ones that stand."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from adapters.kafka.connection import Brokers, translated
from domain.errors import Unavailable, WrongDeployment

LETTER_MARGIN_BYTES = 64 * 1024
"""By how much the dead letter topic's message limit exceeds the source's: room for the headers of a letter."""
_DEFAULT_PARTITIONS = 4
_KNOWN_WITHIN_SECONDS = 10.0
_ASK_AGAIN_AFTER_SECONDS = 0.1
_AT_LEAST = {"max.message.bytes", "min.insync.replicas"}
"""Where a topic that stands may have more than is wanted."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it should be; None where the cluster's default or what stands already will do."""

    name: str
    partitions: int | None
    replication: int | None
    min_isr: int | None
    retention_ms: int
    """-1 for ever."""
    max_message_bytes: int
    is_ordered: bool = True
    """Whether keys must keep their partitions, so that a topic with another number of them is refused."""

    @property
    def configs(self) -> dict[str, str]:
        configs = {"retention.ms": str(self.retention_ms), "max.message.bytes": str(self.max_message_bytes)}
        return configs if self.min_isr is None else configs | {"min.insync.replicas": str(self.min_isr)}


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What stands, and where it differs from what should."""

    name: str
    is_new: bool
    partitions: int
    replication: int
    warnings: Sequence[str]


async def ensure_topics(brokers: Brokers, topics: Sequence[Topic]) -> list[TopicReport]:
    """Make the topics that are missing; a topic that stands is checked and never changed.

    Raises `WrongDeployment` when the number of partitions was asked for and is another: keys would move.
    """
    admin = AIOKafkaAdminClient(**brokers.options())
    with translated():
        try:
            await admin.start()
            return [await _ensure(admin, topic) for topic in topics]
        finally:
            await admin.close()


async def partition_numbers(brokers: Brokers, name: str) -> list[int]:
    """List the partitions of a topic. Raises `WrongDeployment` where there is no such topic."""
    admin = AIOKafkaAdminClient(**brokers.options())
    with translated():
        try:
            await admin.start()
            partitions = await _describe(admin, name)
        finally:
            await admin.close()
    if not partitions:
        raise WrongDeployment(f"kafka: there is no topic {name}")
    return sorted(partition["partition"] for partition in partitions)


async def _ensure(admin: AIOKafkaAdminClient, topic: Topic) -> TopicReport:
    is_new = topic.name not in await admin.list_topics() and await _create(admin, topic)
    partitions = await _described(admin, topic.name)
    if topic.is_ordered and topic.partitions not in {None, len(partitions)}:
        raise WrongDeployment(
            f"kafka: topic {topic.name} has {len(partitions)} partitions, but KAFKA_PARTITIONS is {topic.partitions}; "
            "unset it to accept what stands"
        )
    replication = min(len(partition["replicas"]) for partition in partitions)
    warnings = _differences(topic, await _configs(admin, topic.name))
    if topic.replication is not None and replication != topic.replication:
        warnings.append(f"replication is {replication}, wanted {topic.replication}")
    return TopicReport(topic.name, is_new, len(partitions), replication, warnings)


async def _create(admin: AIOKafkaAdminClient, topic: Topic) -> bool:
    """Tell whether it was us: another process may be at it too."""
    wanted = NewTopic(
        topic.name,
        topic.partitions or _DEFAULT_PARTITIONS,
        topic.replication or -1,
        # The client takes the cluster's default (-1) only along with an assignment, which may be empty.
        None if topic.replication else {},
        topic_configs=topic.configs,
    )
    response = await admin.create_topics([wanted])
    for _name, code, *message in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            if getattr(error, "retriable", False):
                raise Unavailable(f"kafka: topic {topic.name} could not be made now: {error.__name__}")
            raise WrongDeployment(f"kafka: topic {topic.name} cannot be made: {error.__name__}: {message}")
    return all(code == 0 for _name, code, *_message in response.topic_errors)


async def _described(admin: AIOKafkaAdminClient, name: str) -> Sequence[Mapping[str, Any]]:
    """Wait for a topic that was just made: not every broker knows it at once."""
    try:
        async with asyncio.timeout(_KNOWN_WITHIN_SECONDS):
            while not (partitions := await _describe(admin, name)):
                await asyncio.sleep(_ASK_AGAIN_AFTER_SECONDS)
    except TimeoutError:
        raise Unavailable(f"kafka: topic {name} is not known to the cluster yet") from None
    return partitions


async def _describe(admin: AIOKafkaAdminClient, name: str) -> Sequence[Mapping[str, Any]]:
    """Return the topic's partitions, none where the broker that was asked knows no such topic."""
    (description,) = await admin.describe_topics([name])
    if for_code(description["error_code"]) is UnknownTopicOrPartitionError:
        return []
    partitions: Sequence[Mapping[str, Any]] = description["partitions"]
    return partitions


async def _configs(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    return {config[0]: config[1] for response in responses for resource in response.resources for config in resource[4]}


def _differences(topic: Topic, standing: Mapping[str, str]) -> list[str]:
    return [
        f"{name} is {standing[name]}, wanted {value}"
        for name, value in topic.configs.items()
        if name in standing and _differs(name, int(standing[name]), int(value))
    ]


def _differs(name: str, standing: int, wanted: int) -> bool:
    return standing < wanted if name in _AT_LEAST else standing != wanted
