"""Make the topics, or check the ones that stand."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from adapters.kafka.connection import Brokers, translated
from adapters.kafka.topic_settings import Topic
from domain.errors import Unavailable, WrongDeployment

LETTER_MARGIN_BYTES = 64 * 1024
"""By how much the dead letter topic's message limit exceeds the source's: room for the headers of a letter."""
_DEFAULT_PARTITIONS = 4
_KNOWN_WITHIN_SECONDS = 10.0
_ASK_AGAIN_AFTER_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What stands, none of it where `partitions` is 0, and what a person should know of it."""

    name: str
    is_new: bool
    partitions: int
    replication: int
    warnings: Sequence[str]


async def ensure_topics(brokers: Brokers, topics: Sequence[Topic], *, creates: bool = True) -> list[TopicReport]:
    """Make the topics that are missing, if `creates`; a topic that stands is checked and never changed.

    Raises `WrongDeployment` when a topic is compacted, which loses events, or when the number of partitions was asked
    for and is another: keys would move.
    """
    refusals: list[str] = []
    async with _admin_client(brokers) as admin:
        reports = [await _ensure(admin, topic, brokers.bootstrap, refusals, creates=creates) for topic in topics]
    if refusals:
        raise WrongDeployment(f"kafka: {'; '.join(refusals)}")
    return reports


async def partition_numbers(brokers: Brokers, name: str) -> list[int]:
    """List the partitions of a topic. Raises `WrongDeployment` where there is no such topic."""
    async with _admin_client(brokers) as admin:
        partitions = await _describe(admin, name)
    if not partitions:
        raise WrongDeployment(f"kafka: there is no topic {name}")
    return sorted(partition["partition"] for partition in partitions)


@asynccontextmanager
async def _admin_client(brokers: Brokers) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**brokers.options())
    with translated():
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()


async def _ensure(
    admin: AIOKafkaAdminClient, topic: Topic, bootstrap: str, refusals: list[str], *, creates: bool
) -> TopicReport:
    is_missing = topic.name not in await admin.list_topics()
    if is_missing and not creates:
        why = "it is missing, or this user may not DESCRIBE it; KAFKA_CREATE_TOPICS is off, so it is not made"
        return TopicReport(topic.name, is_new=False, partitions=0, replication=0, warnings=[why])
    is_new = is_missing and await _create(admin, topic)
    partitions = await _described(admin, topic.name)
    if topic.is_ordered and topic.partitions not in {None, len(partitions)}:
        refusals.append(
            f"topic {topic.name} has {len(partitions)} partitions, but KAFKA_PARTITIONS is {topic.partitions}; "
            "unset it to accept what stands"
        )
    replication = min(len(partition["replicas"]) for partition in partitions)
    configs = await _configs(admin, topic.name)
    if configs is None:
        warnings = ["its settings were not checked: this user may not DESCRIBE_CONFIGS of it"]
    else:
        warnings = [*topic.warnings(configs, replication)]
        if refusal := topic.refusal(configs, bootstrap):
            refusals.append(refusal)
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


async def _configs(admin: AIOKafkaAdminClient, name: str) -> dict[str, str] | None:
    """Return the topic's settings; None where we have no right to see them."""
    (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    ((code, message, _type, _name, configs),) = response.resources
    if for_code(code) is TopicAuthorizationFailedError:
        return None
    if code:
        raise for_code(code)(message)
    return {name: value for name, value, *_ in configs}
