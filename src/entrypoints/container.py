"""The wiring: the only file that knows dependency-injector.

Ask for a root (`api`, `consumer`, `audit`, `halted_partitions`) and await it if it is awaitable: an object that depends
on an opened resource comes as an awaitable. A test overrides a provider by name on a container of its own:
`Container(settings=..., publisher=providers.Object(fake))`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from inspect import isawaitable
from typing import Literal, TypeVar

from dependency_injector import containers, providers

from adapters.kafka.consumer.event_source import KafkaEventSource
from adapters.kafka.dead_letter_queue import KafkaDeadLetterQueue
from adapters.kafka.log_reader import KafkaLogReader
from adapters.kafka.patches import apply_patches
from adapters.kafka.producer import Producer
from adapters.kafka.publisher import KafkaEventPublisher
from adapters.observability.logged_ports import LoggedDeadLetterQueue, LoggedEventStore
from adapters.postgres.engine import create_engine
from adapters.postgres.erasures import PostgresErasures
from adapters.postgres.event_log import (
    PostgresDeadLetterQueue,
    PostgresEventPublisher,
    PostgresEventSource,
    PostgresLogReader,
)
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.oversize_letters import PostgresOversizeLetters
from adapters.postgres.partition_states import PostgresPartitionStates
from adapters.records import codec, dlq_headers
from adapters.system import new_id, utc_now
from application.audit import AuditRange
from application.consume.consumer_loop import ConsumerLoop
from application.consume.dlq_limits import DlqLimits
from application.consume.pace import Pace
from application.consume.process_event import ProcessEvent
from application.halted_partitions import HaltedPartitions
from application.list_processed import ListProcessed
from application.publish_event import PublishEvent
from entrypoints.config import program
from entrypoints.config.settings import Settings
from entrypoints.processes import adapter_parameters, readiness_checks
from entrypoints.processes.api import Api
from entrypoints.processes.consumer import Consumer
from entrypoints.processes.preparation import Preparation, kafka_steps, postgres_steps
from entrypoints.processes.resources import closed, disposed, opened
from entrypoints.processes.watchdog import ConsumerWatchdog

_RootT = TypeVar("_RootT")

logger = logging.getLogger(__name__)

_DRAIN_SECONDS = 5.0
"""How long the api's producer may flush when it closes."""
_DLQ_DRAIN_SECONDS = 0.5
"""The same for the consumer's producer, which has nothing to flush: each send awaits its acknowledgement."""
_CLOSING_SECONDS = 9.0
"""How long all resources together may take to close."""


class Container(containers.DeclarativeContainer):
    """Every object of all processes; each is created on demand."""

    settings: providers.Dependency[Settings] = providers.Dependency(instance_of=Settings)
    clock = providers.Object(utc_now)
    new_id = providers.Object(new_id)

    # Parameters of the dependencies.
    database = providers.Singleton(adapter_parameters.database, settings)
    brokers = providers.Singleton(adapter_parameters.brokers, settings)
    topics = providers.Singleton(adapter_parameters.topics, settings)

    # PostgreSQL.
    engine = providers.Resource(
        disposed,
        providers.Singleton(
            create_engine, database, application_name="user-events", pool_size=settings.provided.db_pool_size
        ),
    )
    event_store = providers.Singleton(PostgresEventStore, engine, settle=database.provided.limits.batch)
    oversize_letters = providers.Singleton(PostgresOversizeLetters, engine)
    erasures = providers.Singleton(PostgresErasures, engine)
    partition_states = providers.Singleton(
        PostgresPartitionStates, engine, settings.provided.kafka_topic, settings.provided.kafka_consumer_group
    )

    # The log in Kafka.
    producer = providers.Resource(
        opened,
        providers.Singleton(
            Producer,
            brokers,
            max_record_bytes=providers.Callable(adapter_parameters.largest_event_bytes, settings),
            deadline=settings.provided.publish_timeout_seconds,
            drain_limit=_DRAIN_SECONDS,
        ),
    )
    letter_producer = providers.Resource(
        opened,
        providers.Singleton(
            Producer,
            brokers,
            max_record_bytes=providers.Callable(adapter_parameters.largest_letter_bytes, settings),
            deadline=settings.provided.publish_timeout_seconds,
            drain_limit=_DLQ_DRAIN_SECONDS,
        ),
    )
    kafka_source = providers.Resource(
        closed,
        providers.Singleton(
            KafkaEventSource,
            brokers,
            topic=settings.provided.kafka_topic,
            group=settings.provided.kafka_consumer_group,
            assignor=settings.provided.kafka_assignor,
            session_timeout=settings.provided.kafka_session_timeout_seconds,
        ),
    )

    # The log in PostgreSQL.
    log_publisher = providers.Resource(
        closed,
        providers.Singleton(
            PostgresEventPublisher,
            engine,
            settings.provided.kafka_topic,
            max_record_bytes=providers.Callable(adapter_parameters.largest_event_bytes, settings),
            deadline=settings.provided.publish_timeout_seconds,
        ),
    )
    log_letters = providers.Resource(
        closed, providers.Singleton(PostgresDeadLetterQueue, engine, settings.provided.kafka_dlq_topic)
    )
    log_source = providers.Resource(
        closed,
        providers.Singleton(
            PostgresEventSource,
            engine,
            settings.provided.kafka_topic,
            settings.provided.kafka_consumer_group,
            retention=providers.Callable(adapter_parameters.log_retention_seconds, settings),
        ),
    )

    # The ports of the chosen log.
    publisher = providers.Selector(
        settings.provided.event_log,
        kafka=providers.Singleton(KafkaEventPublisher, producer, settings.provided.kafka_topic),
        postgres=log_publisher,
    )
    source = providers.Selector(settings.provided.event_log, kafka=kafka_source, postgres=log_source)
    dead_letters = providers.Selector(
        settings.provided.event_log,
        kafka=providers.Singleton(
            KafkaDeadLetterQueue, letter_producer, settings.provided.kafka_dlq_topic, oversize_letters
        ),
        postgres=log_letters,
    )
    log_reader = providers.Selector(
        settings.provided.event_log,
        kafka=providers.Singleton(KafkaLogReader, brokers, settings.provided.kafka_topic),
        postgres=providers.Singleton(PostgresLogReader, engine, settings.provided.kafka_topic),
    )
    letter_reader = providers.Selector(
        settings.provided.event_log,
        kafka=providers.Singleton(KafkaLogReader, brokers, settings.provided.kafka_dlq_topic),
        postgres=providers.Singleton(PostgresLogReader, engine, settings.provided.kafka_dlq_topic),
    )

    # Use cases.
    publish_event = providers.Singleton(PublishEvent, publisher, new_id, clock)
    list_processed = providers.Singleton(ListProcessed, event_store)
    process_event = providers.Singleton(
        ProcessEvent,
        providers.Singleton(LoggedEventStore, event_store),
        providers.Singleton(LoggedDeadLetterQueue, dead_letters),
        codec.decode,
        clock,
    )
    consumer_loop = providers.Singleton(
        ConsumerLoop,
        source,
        process_event,
        partition_states,
        clock,
        pace=providers.Singleton(
            Pace,
            batch_size=settings.provided.batch_size,
            retry_budget=settings.provided.retry_budget_seconds,
            finish=providers.Callable(adapter_parameters.finish_seconds, settings),
        ),
        dlq_limits=providers.Singleton(
            DlqLimits,
            max_consecutive=settings.provided.dlq_max_consecutive,
            max_ratio=settings.provided.dlq_max_ratio,
            ratio_min_records=settings.provided.dlq_ratio_min_records,
            ratio_window=settings.provided.dlq_ratio_window_seconds,
        ),
    )

    audit = providers.Singleton(
        AuditRange,
        log_reader,
        letter_reader,
        oversize_letters,
        event_store,
        erasures,
        topic=settings.provided.kafka_topic,
        group=settings.provided.kafka_consumer_group,
        decode=codec.decode,
        origin=dlq_headers.origin,
        origins=dlq_headers.origins,
    )

    halted_partitions = providers.Singleton(
        HaltedPartitions,
        partition_states,
        log_reader,
        topic=settings.provided.kafka_topic,
        group=settings.provided.kafka_consumer_group,
    )

    # Processes.
    preparation = providers.Singleton(
        Preparation,
        providers.Selector(
            settings.provided.event_log,
            kafka=providers.Callable(kafka_steps, settings, database, brokers, topics),
            postgres=providers.Callable(postgres_steps, settings, database, engine),
        ),
    )
    api = providers.Singleton(
        Api,
        settings,
        publish_event,
        list_processed,
        providers.Callable(readiness_checks.api_readiness, event_store, publisher, preparation),
        preparation,
    )
    consumer_readiness = providers.Singleton(
        readiness_checks.consumer_readiness,
        event_store,
        dead_letters,
        source,
        consumer_loop,
        preparation,
        states=partition_states,
        program=providers.Callable(program.command, settings.provided.data_dir),
    )
    consumer = providers.Singleton(
        Consumer,
        settings,
        consumer_loop,
        consumer_readiness,
        preparation,
        providers.Singleton(
            ConsumerWatchdog, consumer_loop, source, consumer_readiness, settings.provided.watchdog_seconds
        ),
    )


def assembled(settings: Settings, process: Literal["api", "consumer"]) -> AbstractAsyncContextManager[Api | Consumer]:
    """Assemble a process; in the end close its resources, dependents first."""
    return _assembled(settings, lambda container: container.api() if process == "api" else container.consumer())


def assembled_audit(settings: Settings) -> AbstractAsyncContextManager[AuditRange]:
    """Assemble an audit likewise."""
    return _assembled(settings, lambda container: container.audit())


def assembled_halted_partitions(settings: Settings) -> AbstractAsyncContextManager[HaltedPartitions]:
    """Assemble the use case of `user-events resume` likewise."""
    return _assembled(settings, lambda container: container.halted_partitions())


@asynccontextmanager
async def _assembled(settings: Settings, choose: Callable[[Container], _RootT]) -> AsyncIterator[_RootT]:
    if settings.event_log == "kafka":
        apply_patches()
    container = Container(settings=settings)
    try:
        root = choose(container)
        yield await root if isawaitable(root) else root
    finally:
        closing = container.shutdown_resources()
        if closing is not None:
            try:
                async with asyncio.timeout(_CLOSING_SECONDS):
                    await closing
            except TimeoutError:
                logger.warning("close timed out", extra={"seconds": _CLOSING_SECONDS})
