"""The wiring: the only package that knows dependency-injector.

Ask for a root (`api`, `consumer`, `audit`, `halted_partitions`, `letter_use_cases`, `rebuild_index`) and await it if
it is awaitable: an object that depends on an opened resource comes as an awaitable. A test overrides a provider by
name on a container of its own: `Container(settings=..., publisher=providers.Object(fake))`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import TypeVar

from dependency_injector.providers import Selector, Singleton

from adapters.kafka.patches import apply_patches
from adapters.observability.logged_ports import LoggedDeadLetterQueue, LoggedEventStore
from adapters.records import dlq_headers
from adapters.system import new_id, utc_now
from application.audit import AuditRange
from application.consume.consumer_loop import ConsumerLoop
from application.consume.process_event import ProcessEvent
from application.halted_partitions import HaltedPartitions
from application.list_processed import ListProcessed
from application.publish_event import PublishEvent
from entrypoints.config import program
from entrypoints.config.settings import Settings
from entrypoints.container.dead_letters import DeadLetters
from entrypoints.container.ports import Ports
from entrypoints.processes import parameters
from entrypoints.processes.api import Api
from entrypoints.processes.consumer import Consumer
from entrypoints.processes.preparation import Preparation, kafka_steps, postgres_steps
from entrypoints.processes.readiness_checks import ApiReadiness, ConsumerReadiness
from entrypoints.processes.resources import finish_closing
from entrypoints.processes.watchdog import ConsumerWatchdog

_RootT = TypeVar("_RootT")


class Container(DeadLetters):
    """Every object of all processes; each is created on demand."""

    # Use cases.
    publish_event = Singleton(PublishEvent, Ports.event_rules, Ports.publisher, new_id, utc_now)
    list_processed = Singleton(ListProcessed, Ports.event_store)
    logged_store = Singleton(LoggedEventStore, Ports.event_store)
    logged_letters = Singleton(LoggedDeadLetterQueue, Ports.dead_letters)
    process_event = Singleton(ProcessEvent, logged_store, logged_letters, utc_now)
    dlq_limits = Singleton(parameters.dlq_limits, Ports.settings)
    consumer_loop = Singleton(
        ConsumerLoop,
        Ports.source,
        process_event,
        Ports.partition_states,
        Ports.decode,
        utc_now,
        pace=Ports.pace,
        dlq_limits=dlq_limits,
    )
    audit = Singleton(
        AuditRange,
        Ports.log_reader,
        Ports.letter_reader,
        Ports.oversize_letters,
        Ports.audited_store,
        Ports.erasures,
        topic=Ports.topic,
        group=Ports.group,
        decode=Ports.decode_any,
        origin=dlq_headers.origin,
        origins=dlq_headers.origins,
    )
    halted_partitions = Singleton(
        HaltedPartitions,
        Ports.partition_states,
        Ports.log_reader,
        Ports.audit_log,
        topic=Ports.topic,
        group=Ports.group,
    )

    # Processes.
    steps = Selector(
        Ports.event_log,
        kafka=Singleton(kafka_steps, Ports.settings, Ports.database, Ports.brokers),
        postgres=Singleton(postgres_steps, Ports.settings, Ports.database, Ports.engine),
    )
    preparation = Singleton(Preparation, steps)
    api_readiness = Singleton(ApiReadiness, Ports.event_store, Ports.publisher, preparation)
    api = Singleton(
        Api,
        Ports.settings,
        Ports.event_catalog,
        publish_event,
        list_processed,
        api_readiness,
        DeadLetters.letter_use_cases,
        preparation,
    )
    consumer_readiness = Singleton(
        ConsumerReadiness,
        Ports.event_store,
        Ports.dead_letters,
        Ports.source,
        consumer_loop,
        preparation,
        states=Ports.partition_states,
        program=Singleton(program.command, Ports.setting.data_dir),
    )
    watchdog = Singleton(
        ConsumerWatchdog, consumer_loop, Ports.source, consumer_readiness, Ports.setting.watchdog_seconds
    )
    consumer = Singleton(
        Consumer,
        Ports.settings,
        consumer_loop,
        DeadLetters.dead_letter_tasks,
        consumer_readiness,
        preparation,
        watchdog,
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
