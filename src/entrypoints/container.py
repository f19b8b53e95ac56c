"""The wiring: the only file that knows dependency-injector.

Ask for a root (`api`, `consumer`, `audit`, `halted_partitions`, `letter_use_cases`, `rebuild_index`) and await it if
it is awaitable: an object that depends on an opened resource comes as an awaitable. A test overrides a provider by
name on a container of its own: `Container(settings=..., publisher=providers.Object(fake))`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import TypeVar

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import Dependency, Resource, Selector, Singleton

from adapters.kafka.consumer.event_source import KafkaEventSource
from adapters.kafka.dead_letter_queue import KafkaDeadLetterQueue
from adapters.kafka.log_reader import KafkaLogReader
from adapters.kafka.patches import apply_patches
from adapters.kafka.producer import Producer
from adapters.kafka.publisher import KafkaEventPublisher
from adapters.kafka.replay_publisher import KafkaReplayPublisher
from adapters.observability.accepted_violations import counted_violations
from adapters.observability.logged_ports import LoggedDeadLetterQueue, LoggedEventStore
from adapters.postgres.dead_letters.audit_log import PostgresAuditLog
from adapters.postgres.dead_letters.index.dead_letter_index import PostgresDeadLetterIndex
from adapters.postgres.dead_letters.jobs import PostgresReplayJobs
from adapters.postgres.erasures import PostgresErasures
from adapters.postgres.event_log.dead_letter_queue import PostgresDeadLetterQueue
from adapters.postgres.event_log.event_publisher import PostgresEventPublisher
from adapters.postgres.event_log.event_source import PostgresEventSource
from adapters.postgres.event_log.log_reader import PostgresLogReader
from adapters.postgres.event_log.replay_publisher import PostgresReplayPublisher
from adapters.postgres.events.event_store import PostgresEventStore
from adapters.postgres.oversize_letters import PostgresOversizeLetters
from adapters.postgres.partition_states import PostgresPartitionStates
from adapters.postgres.sessions.engine import create_engine
from adapters.records import codec, dlq_headers, letters, replays
from adapters.system import new_id, utc_now
from application.audit import AuditRange
from application.consume.consumer_loop import ConsumerLoop
from application.consume.process_event import ProcessEvent
from application.dead_letters.auto_replay import AutoReplay
from application.dead_letters.browse_letters import BrowseLetters
from application.dead_letters.change_letters import ChangeLetters
from application.dead_letters.control_jobs import ControlJobs
from application.dead_letters.edit_letter import EditLetter
from application.dead_letters.forget_letters import ForgetLetters
from application.dead_letters.index_letters import IndexLetters
from application.dead_letters.letter_records import LetterRecords
from application.dead_letters.rebuild_index import RebuildIndex
from application.dead_letters.replays.replay_worker import ReplayWorker
from application.dead_letters.replays.tools import Tools
from application.dead_letters.use_cases import LetterUseCases
from application.halted_partitions import HaltedPartitions
from application.list_processed import ListProcessed
from application.publish_event import PublishEvent
from domain.event_types import ANY_TYPE
from domain.validation import EventRules
from entrypoints.config import program
from entrypoints.config.settings import Settings
from entrypoints.processes import parameters
from entrypoints.processes.api import Api
from entrypoints.processes.consumer import Consumer
from entrypoints.processes.dead_letter_tasks import DeadLetterTasks
from entrypoints.processes.event_catalog import load_catalog
from entrypoints.processes.preparation import Preparation, kafka_steps, postgres_steps
from entrypoints.processes.readiness_checks import ApiReadiness, ConsumerReadiness
from entrypoints.processes.resources import closed, disposed, finish_closing, opened
from entrypoints.processes.watchdog import ConsumerWatchdog

_RootT = TypeVar("_RootT")

_DRAIN_SECONDS = 5.0
"""How long the api's producer may flush when it closes."""
_DLQ_DRAIN_SECONDS = 0.5
"""The same for the consumer's producers, which have nothing to flush: each send awaits its acknowledgement."""
_LETTER_SESSIONS = 4
"""Database sessions of a consumer's work on dead letters, which takes none of those for events."""


class Container(DeclarativeContainer):
    """Every object of all processes; each is created on demand."""

    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    setting = settings.provided
    event_log = setting.event_log
    topic = setting.kafka_topic
    dlq_topic = setting.kafka_dlq_topic
    group = setting.kafka_consumer_group
    largest_event_bytes = Singleton(parameters.largest_event_bytes, settings)
    largest_letter_bytes = Singleton(parameters.largest_letter_bytes, settings)

    # What an event may be.
    event_catalog = Singleton(load_catalog, settings)
    event_types = event_catalog.provided.types
    accepted_violations = Resource(counted_violations)
    event_rules = Singleton(EventRules, event_types, event_catalog.provided.schemas, accepted_violations)
    record_rules = Selector(setting.schema_check, edge=Singleton(EventRules, event_types), both=event_rules)
    decode = Singleton(codec.decoder, record_rules)
    # For the audit and for conflicts: an event may have been stored under other rules.
    any_rules = Singleton(EventRules, ANY_TYPE)
    decode_any = Singleton(codec.decoder, any_rules)

    # PostgreSQL.
    database = Singleton(parameters.database, settings)
    engine = Resource(disposed, create_engine, database, application_name="user-events", pool_size=setting.db_pool_size)
    event_store = Singleton(PostgresEventStore, engine, event_types, settle=database.provided.limits.batch)
    # Writes nothing, and needs no types: a mistake in a schema must not keep anybody from the proof.
    audited_store = Singleton(PostgresEventStore, engine, settle=database.provided.limits.batch)
    oversize_letters = Singleton(PostgresOversizeLetters, engine)
    erasures = Singleton(PostgresErasures, engine)
    partition_states = Singleton(PostgresPartitionStates, engine, topic, group)
    audit_log = Singleton(PostgresAuditLog, engine)
    dead_letter_index = Singleton(PostgresDeadLetterIndex, engine, topic)
    replay_jobs = Singleton(PostgresReplayJobs, engine, topic)

    # The log in Kafka.
    brokers = Singleton(parameters.brokers, settings)
    producer = Resource(
        opened,
        Producer,
        brokers,
        max_record_bytes=largest_event_bytes,
        deadline=setting.publish_timeout_seconds,
        drain_limit=_DRAIN_SECONDS,
    )
    letter_producer = Resource(
        opened,
        Producer,
        brokers,
        max_record_bytes=largest_letter_bytes,
        deadline=setting.publish_timeout_seconds,
        drain_limit=_DLQ_DRAIN_SECONDS,
    )
    kafka_source = Resource(
        closed,
        KafkaEventSource,
        brokers,
        topic=topic,
        group=group,
        assignor=setting.kafka_assignor,
        session_timeout=setting.kafka_session_timeout_seconds,
    )

    # The log in PostgreSQL.
    log_publisher = Resource(
        closed,
        PostgresEventPublisher,
        engine,
        topic,
        max_record_bytes=largest_event_bytes,
        deadline=setting.publish_timeout_seconds,
    )
    log_retention = Singleton(parameters.log_retention_seconds, settings)
    log_source = Resource(closed, PostgresEventSource, engine, topic, group, retention=log_retention)

    # The ports of the chosen log.
    publisher = Selector(event_log, kafka=Singleton(KafkaEventPublisher, producer, topic), postgres=log_publisher)
    source = Selector(event_log, kafka=kafka_source, postgres=log_source)
    dead_letters = Selector(
        event_log,
        kafka=Singleton(KafkaDeadLetterQueue, letter_producer, dlq_topic, oversize_letters),
        postgres=Resource(closed, PostgresDeadLetterQueue, engine, dlq_topic),
    )
    log_reader = Selector(
        event_log, kafka=Singleton(KafkaLogReader, brokers, topic), postgres=Singleton(PostgresLogReader, engine, topic)
    )
    letter_reader = Selector(
        event_log,
        kafka=Singleton(KafkaLogReader, brokers, dlq_topic),
        postgres=Singleton(PostgresLogReader, engine, dlq_topic),
    )

    # Use cases.
    publish_event = Singleton(PublishEvent, event_rules, publisher, new_id, utc_now)
    list_processed = Singleton(ListProcessed, event_store)
    logged_store = Singleton(LoggedEventStore, event_store)
    logged_letters = Singleton(LoggedDeadLetterQueue, dead_letters)
    process_event = Singleton(ProcessEvent, logged_store, logged_letters, utc_now)
    pace = Singleton(parameters.pace, settings)
    dlq_limits = Singleton(parameters.dlq_limits, settings)
    consumer_loop = Singleton(
        ConsumerLoop, source, process_event, partition_states, decode, utc_now, pace=pace, dlq_limits=dlq_limits
    )
    audit = Singleton(
        AuditRange,
        log_reader,
        letter_reader,
        oversize_letters,
        audited_store,
        erasures,
        topic=topic,
        group=group,
        decode=decode_any,
        origin=dlq_headers.origin,
        origins=dlq_headers.origins,
    )
    halted_partitions = Singleton(HaltedPartitions, partition_states, log_reader, audit_log, topic=topic, group=group)

    # Use cases of dead letters.
    letter_records = Singleton(
        LetterRecords, oversize_letters, Singleton(letters.reader, topic), points_to=letters.points_to
    )
    browse_letters = Singleton(BrowseLetters, dead_letter_index, event_store, Singleton(codec.parser, any_rules))
    change_letters = Singleton(ChangeLetters, dead_letter_index, replay_jobs)
    edit_letter = Singleton(EditLetter, dead_letter_index, Singleton(codec.parser, event_rules))
    control_jobs = Singleton(ControlJobs, replay_jobs)
    letter_use_cases = Singleton(LetterUseCases, browse_letters, change_letters, edit_letter, control_jobs, audit_log)
    rebuild_index = Singleton(RebuildIndex, letter_reader, letter_records, dead_letter_index)

    # The consumer's work on dead letters, with clients of its own: it must not slow the work on events.
    letter_engine = Resource(
        disposed,
        create_engine,
        database,
        application_name="user-events-dead-letters",
        pool_size=_LETTER_SESSIONS,
    )
    letter_index = Singleton(PostgresDeadLetterIndex, letter_engine, topic)
    letter_jobs = Singleton(PostgresReplayJobs, letter_engine, topic)
    letter_store = Singleton(PostgresEventStore, letter_engine, event_types, settle=database.provided.limits.batch)
    letter_group = Singleton(parameters.dead_letter_group, settings)
    letter_source = Selector(
        event_log,
        kafka=Resource(
            closed,
            KafkaEventSource,
            brokers,
            topic=dlq_topic,
            group=letter_group,
            assignor=setting.kafka_assignor,
            session_timeout=setting.kafka_session_timeout_seconds,
        ),
        postgres=Resource(closed, PostgresEventSource, letter_engine, dlq_topic, letter_group),
    )
    replay_producer = Resource(
        opened,
        Producer,
        brokers,
        max_record_bytes=largest_letter_bytes,
        deadline=setting.publish_timeout_seconds,
        drain_limit=_DLQ_DRAIN_SECONDS,
    )
    replay_publisher = Selector(
        event_log,
        kafka=Singleton(KafkaReplayPublisher, replay_producer, topic),
        postgres=Resource(closed, PostgresReplayPublisher, letter_engine, topic),
    )
    replay_tools = Singleton(
        Tools,
        letter_jobs,
        replay_publisher,
        log_reader,
        letter_store,
        Singleton(replays.reader, decode),
        group,
    )
    dead_letter_tasks = Singleton(
        DeadLetterTasks,
        Singleton(
            IndexLetters,
            letter_source,
            letter_index,
            Singleton(
                LetterRecords,
                Singleton(PostgresOversizeLetters, letter_engine),
                Singleton(letters.reader, topic),
                points_to=letters.points_to,
            ),
        ),
        Singleton(ReplayWorker, replay_tools, new_id),
        Singleton(AutoReplay, letter_index, letter_jobs, letter_store, pace.provided.backoff),
        Singleton(ForgetLetters, letter_index, utc_now, Singleton(parameters.letter_retention, settings)),
        replays_by_itself=setting.auto_replay,
    )

    # Processes.
    steps = Selector(
        event_log,
        kafka=Singleton(kafka_steps, settings, database, brokers),
        postgres=Singleton(postgres_steps, settings, database, engine),
    )
    preparation = Singleton(Preparation, steps)
    api_readiness = Singleton(ApiReadiness, event_store, publisher, preparation)
    api = Singleton(
        Api, settings, event_catalog, publish_event, list_processed, api_readiness, letter_use_cases, preparation
    )
    consumer_readiness = Singleton(
        ConsumerReadiness,
        event_store,
        dead_letters,
        source,
        consumer_loop,
        preparation,
        states=partition_states,
        program=Singleton(program.command, setting.data_dir),
    )
    watchdog = Singleton(ConsumerWatchdog, consumer_loop, source, consumer_readiness, setting.watchdog_seconds)
    consumer = Singleton(
        Consumer, settings, consumer_loop, dead_letter_tasks, consumer_readiness, preparation, watchdog
    )


@asynccontextmanager
async def assembled(settings: Settings, choose: Callable[[Container], _RootT]) -> AsyncIterator[_RootT]:
    """Assemble the root that `choose` asks a new container for; in the end close its resources, dependents first."""
    if settings.event_log == "kafka":
        apply_patches()
    container = Container(settings=settings)
    try:
        root = choose(container)
        yield await root if isawaitable(root) else root
    finally:
        if closing := container.shutdown_resources():
            await finish_closing(closing)
