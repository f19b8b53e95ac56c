"""What has to stand before the work begins, and what readiness asks for."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.kafka.connection import Brokers
from adapters.kafka.topic_settings import Topic
from adapters.kafka.topics import ensure_topics
from adapters.postgres.engine import Database
from adapters.postgres.event_log import ensure_topic
from adapters.postgres.migrate import migrate, require_migrated
from adapters.postgres.requirements import durability_risks
from application.pipeline import Pipeline
from application.ports import DeadLetters, EventPublisher, EventSource, EventStore, PartitionStates
from domain.errors import Unavailable
from entrypoints.config.settings import Settings
from entrypoints.processes.health import Check, Degraded, Readiness
from entrypoints.processes.lifecycle import Preparation, Step

logger = logging.getLogger(__name__)


def kafka_steps(settings: Settings, database: Database, brokers: Brokers, topics: Sequence[Topic]) -> list[Step]:
    """List the steps where the log is Kafka."""

    async def check_topics() -> None:
        for report in await ensure_topics(brokers, topics, creates=settings.kafka_create_topics):
            for warning in report.warnings:
                logger.warning("topic settings need attention", extra={"topic": report.name, "warning": warning})

    return [check_topics, _schema(settings, database)]


def postgres_steps(settings: Settings, database: Database, engine: AsyncEngine) -> list[Step]:
    """List the steps where the log is the embedded one."""

    async def make_topics() -> None:
        await ensure_topic(engine, settings.kafka_topic, settings.kafka_partitions)
        # Letters have no order to keep: any number will do.
        await ensure_topic(engine, settings.kafka_dlq_topic)

    steps = [_schema(settings, database)]
    if settings.kafka_create_topics:
        steps.append(make_topics)
    return steps


def _schema(settings: Settings, database: Database) -> Step:
    async def prepare() -> None:
        await (migrate if settings.db_migrate else require_migrated)(database)
        for risk in await durability_risks(database):
            logger.warning("database settings need attention", extra={"warning": risk})

    return prepare


def api_readiness(store: EventStore, publisher: EventPublisher, preparation: Preparation) -> Readiness:
    """The api is ready when events can be published: an outage of the database must not become one of ingestion.

    Where the log is kept in PostgreSQL, the log is down with the database.
    """
    reads_fail = "reads answer 503 until it is back; publishing needs the event log alone"
    return Readiness(
        {
            "event_log": Check(publisher.ping, "publishing answers 503, to be retried with the eventId; reconnecting"),
            "database": Check(store.ping, reads_fail, is_required=False),
            "preparation": Check(preparation.ping, "the schema and the topics are tried again", is_required=False),
        }
    )


def consumer_readiness(
    store: EventStore,
    dead_letters: DeadLetters,
    source: EventSource,
    pipeline: Pipeline,
    preparation: Preparation,
    *,
    states: PartitionStates,
    program: str,
) -> Readiness:
    """The consumer is ready when it takes part in the group and reaches what it writes to.

    A halted or paused partition only degrades it: a release that mends the cause has to become ready. `program` is how
    `user-events` is spelt here.
    """
    retried = "batches are kept and retried with backoff; their partitions are paused meanwhile"

    async def event_log() -> None:
        await source.ping()
        if waiting := source.open_transactions():
            raise Degraded(
                f"another producer has left a transaction open: partition {', '.join(map(str, waiting))}",
                "; ".join(
                    f"partition {number} is waiting behind an open transaction at offset {offset}"
                    for number, offset in waiting.items()
                ),
                "what is behind it is read once it has ended; `kafka-transactions.sh` finds and aborts one that hangs",
            )

    async def progress() -> None:
        if not pipeline.is_reading:
            raise Unavailable(f"cannot read the log: {pipeline.holding}")
        if pipeline.stopped:
            told = (
                f"partition {number} is halted at offset {stop.offset}: {stop.reason}"
                for number, stop in pipeline.stopped.items()
            )
            since: Mapping[int, datetime] = {}
            with suppress(Unavailable):
                since = await states.stopped_since()
            raise Degraded(
                f"halted: partition {', '.join(map(str, pipeline.stopped))}",
                "; ".join(filter(None, [*told, pipeline.holding])),
                f"a person has to look: `{program} resume` lists them and has them read on; the others flow",
                since=min((since[each] for each in pipeline.stopped if each in since), default=None),
            )
        if pipeline.holding is not None:
            raise Degraded("paused: a dependency is unavailable", pipeline.holding, retried)
        if pipeline.suspected:
            told = (f"partition {number} up to offset {until}" for number, until in pipeline.suspected.items())
            raise Degraded(
                f"reading record by record: partition {', '.join(map(str, pipeline.suspected))}",
                "; ".join(told),
                "consumers died here before: a record that kills is found, and dead-lettered after three deaths; "
                "this ends by itself once the partition is caught up",
            )

    return Readiness(
        {
            "database": Check(store.ping, retried),
            "event_log": Check(event_log, "joining the group again"),
            "dead_letters": Check(dead_letters.ping, "what would become a dead letter is retried with its partition"),
            "progress": Check(progress, retried),
            "preparation": Check(preparation.ping, "the schema and the topics are tried again"),
        }
    )
