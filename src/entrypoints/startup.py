"""What has to stand before the work begins, and what readiness asks for."""

import logging
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.kafka.connection import Brokers
from adapters.kafka.topics import Topic, ensure_topics
from adapters.postgres.engine import Database
from adapters.postgres.event_log import ensure_topic
from adapters.postgres.migrate import migrate
from application.pipeline import Pipeline
from application.ports import DeadLetters, EventPublisher, EventSource, EventStore
from domain.errors import Unavailable
from entrypoints.health import Readiness
from entrypoints.lifecycle import Preparation, Step
from entrypoints.settings import Settings

logger = logging.getLogger(__name__)


def kafka_steps(settings: Settings, database: Database, brokers: Brokers, topics: Sequence[Topic]) -> list[Step]:
    """List the steps where the log is Kafka."""

    async def make_topics() -> None:
        for report in await ensure_topics(brokers, topics):
            for warning in report.warnings:
                logger.warning("topic differs from the settings", extra={"topic": report.name, "difference": warning})

    steps: list[Step] = []
    if settings.kafka_create_topics:
        steps.append(make_topics)
    if settings.db_migrate:
        steps.append(lambda: migrate(database))
    return steps


def postgres_steps(settings: Settings, database: Database, engine: AsyncEngine) -> list[Step]:
    """List the steps where the log is the embedded one."""

    async def make_topics() -> None:
        await ensure_topic(engine, settings.kafka_topic, settings.kafka_partitions)
        # Letters have no order to keep: any number will do.
        await ensure_topic(engine, settings.kafka_dlq_topic)

    steps: list[Step] = []
    if settings.db_migrate:
        steps.append(lambda: migrate(database))
    if settings.kafka_create_topics:
        steps.append(make_topics)
    return steps


def api_readiness(store: EventStore, publisher: EventPublisher, preparation: Preparation) -> Readiness:
    """The api is ready when events can be published and rows be read."""
    return Readiness({"database": store.ping, "event_log": publisher.ping, "preparation": preparation.ping})


def consumer_readiness(
    store: EventStore, dead_letters: DeadLetters, source: EventSource, pipeline: Pipeline, preparation: Preparation
) -> Readiness:
    """The consumer is ready when it takes part in the group and every partition moves."""

    async def progress() -> None:
        if pipeline.holding is not None:
            raise Unavailable(f"holding: {pipeline.holding}")
        if pipeline.stopped:
            told = (
                f"partition {number} is stopped at offset {stop.offset}: {stop.reason}"
                for number, stop in pipeline.stopped.items()
            )
            raise Unavailable(f"{'; '.join(told)} (`user-events resume` goes on)")

    return Readiness(
        {
            "database": store.ping,
            "event_log": source.ping,
            "dead_letters": dead_letters.ping,
            "progress": progress,
            "preparation": preparation.ping,
        }
    )
