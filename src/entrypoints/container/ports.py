"""The ports, each over the technology that the settings choose."""

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import Dependency, Resource, Selector, Singleton

from adapters.kafka.consumer.event_source import KafkaEventSource
from adapters.kafka.dead_letter_queue import KafkaDeadLetterQueue
from adapters.kafka.log_reader import KafkaLogReader
from adapters.kafka.producer import Producer
from adapters.kafka.publisher import KafkaEventPublisher
from adapters.observability.accepted_violations import counted_violations
from adapters.postgres.dead_letters.audit_log import PostgresAuditLog
from adapters.postgres.dead_letters.index.dead_letter_index import PostgresDeadLetterIndex
from adapters.postgres.dead_letters.jobs import PostgresReplayJobs
from adapters.postgres.erasures import PostgresErasures
from adapters.postgres.event_log.dead_letter_queue import PostgresDeadLetterQueue
from adapters.postgres.event_log.event_publisher import PostgresEventPublisher
from adapters.postgres.event_log.event_source import PostgresEventSource
from adapters.postgres.event_log.log_reader import PostgresLogReader
from adapters.postgres.events.event_store import PostgresEventStore
from adapters.postgres.oversize_letters import PostgresOversizeLetters
from adapters.postgres.partition_states import PostgresPartitionStates
from adapters.postgres.sessions.engine import create_engine
from adapters.records import codec
from domain.event_types import ANY_TYPE
from domain.validation import EventRules
from entrypoints.config.settings import Settings
from entrypoints.processes import parameters
from entrypoints.processes.event_catalog import load_catalog
from entrypoints.processes.resources import closed, disposed, opened

_DRAIN_SECONDS = 5.0
"""How long the api's producer may flush when it closes."""
CONSUMER_DRAIN_SECONDS = 0.5
"""The same for the consumer's producers, which have nothing to flush: each send awaits its acknowledgement."""


class Ports(DeclarativeContainer):
    """Settings, rules, connections, and what the use cases need of the world."""

    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    setting = settings.provided
    event_log = setting.event_log
    topic = setting.kafka_topic
    dlq_topic = setting.kafka_dlq_topic
    group = setting.kafka_consumer_group
    largest_event_bytes = Singleton(parameters.largest_event_bytes, settings)
    largest_letter_bytes = Singleton(parameters.largest_letter_bytes, settings)
    pace = Singleton(parameters.pace, settings)

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
        drain_limit=CONSUMER_DRAIN_SECONDS,
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
