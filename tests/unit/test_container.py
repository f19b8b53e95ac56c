"""The wiring: nothing else checks what is handed to whom."""

from collections.abc import AsyncIterator, Callable
from inspect import isawaitable
from operator import methodcaller
from typing import Any

import pytest
from dependency_injector import providers

from adapters.kafka.consumer.event_source import KafkaEventSource
from adapters.kafka.dead_letter_queue import KafkaDeadLetterQueue
from adapters.kafka.log_reader import KafkaLogReader
from adapters.kafka.publisher import KafkaEventPublisher
from adapters.memory import MemoryDeadLetterQueue, MemoryEventStore, MemoryLog, MemoryPublisher, MemorySource
from adapters.postgres.erasures import PostgresErasures
from adapters.postgres.event_log.dead_letter_queue import PostgresDeadLetterQueue
from adapters.postgres.event_log.event_publisher import PostgresEventPublisher
from adapters.postgres.event_log.event_source import PostgresEventSource
from adapters.postgres.event_log.log_reader import PostgresLogReader
from adapters.postgres.events.event_store import PostgresEventStore
from application.audit import AuditRange
from application.halted_partitions import HaltedPartitions
from application.publish_event import Draft, Published, PublishEvent
from entrypoints.config.environment import load_settings
from entrypoints.container import Container, assembled
from entrypoints.processes.api import Api
from entrypoints.processes.consumer import Consumer
from tests.support.events import NOON

# Nobody listens there, and nobody has to.
NOWHERE = {"KAFKA_BROKER": "127.0.0.1:1", "DB_HOST": "127.0.0.1", "DB_PORT": "1"}
PORTS = {
    "kafka": {
        "publisher": KafkaEventPublisher,
        "source": KafkaEventSource,
        "dead_letters": KafkaDeadLetterQueue,
        "log_reader": KafkaLogReader,
        "letter_reader": KafkaLogReader,
        "erasures": PostgresErasures,
        "event_store": PostgresEventStore,
    },
    "postgres": {
        "publisher": PostgresEventPublisher,
        "source": PostgresEventSource,
        "dead_letters": PostgresDeadLetterQueue,
        "log_reader": PostgresLogReader,
        "letter_reader": PostgresLogReader,
        "erasures": PostgresErasures,
        "event_store": PostgresEventStore,
    },
}
event_logs = pytest.mark.parametrize("event_log", list(PORTS))
MakeContainer = Callable[..., Container]


@pytest.fixture
async def container() -> AsyncIterator[MakeContainer]:
    """Makes containers, and closes in the end what they opened."""
    made: list[Container] = []

    def make(event_log: str, **parts: providers.Provider[Any]) -> Container:
        made.append(Container(settings=load_settings({**NOWHERE, "EVENT_LOG": event_log}), **parts))
        return made[-1]

    yield make
    for each in made:
        closing = each.shutdown_resources()
        if closing is not None:
            await closing


async def resolved(provider: Callable[[], Any]) -> Any:
    """Ask for a part; what depends on an opened resource comes as an awaitable."""
    part = provider()
    return await part if isawaitable(part) else part


@event_logs
@pytest.mark.parametrize(
    ("name", "root"),
    [("api", Api), ("consumer", Consumer), ("audit", AuditRange), ("halted_partitions", HaltedPartitions)],
)
async def test_root_is_assembled_without_any_dependency_up(event_log: str, name: str, root: type) -> None:
    """It waits for them itself, and can be closed before they are up."""
    async with assembled(load_settings({**NOWHERE, "EVENT_LOG": event_log}), methodcaller(name)) as made:
        assert type(made) is root


@event_logs
async def test_each_port_is_the_one_of_the_chosen_log(event_log: str, container: MakeContainer) -> None:
    """One instance a container."""
    made = container(event_log)
    for name, expected in PORTS[event_log].items():
        provider = getattr(made, name)
        part = await resolved(provider)
        assert type(part) is expected
        assert await resolved(provider) is part


@event_logs
@pytest.mark.parametrize("process", ["api", "consumer"])
async def test_process_is_assembled_of_fakes(event_log: str, process: str, container: MakeContainer) -> None:
    """An override replaces the real object, which is not even created."""
    log = MemoryLog()
    made = container(
        event_log,
        publisher=providers.Object(MemoryPublisher(log, "events")),
        source=providers.Object(MemorySource(log, "events", "group")),
        dead_letters=providers.Object(MemoryDeadLetterQueue(log, "dlq")),
        event_store=providers.Object(MemoryEventStore(lambda: NOON)),
        engine=providers.Object(None),
    )
    assert type(await resolved(getattr(made, process))) is {"api": Api, "consumer": Consumer}[process]
    assert not made.producer.initialized
    assert not made.letter_producer.initialized


async def test_use_case_gets_the_fake(container: MakeContainer) -> None:
    """The event reaches the fake, with an id of version 7."""
    log = MemoryLog(partitions=1)
    made = container("kafka", publisher=providers.Object(MemoryPublisher(log, "events")))
    publish = await resolved(made.publish_event)
    assert isinstance(publish, PublishEvent)
    (outcome,) = await publish([Draft("user-1", "LOGIN")])
    assert isinstance(outcome, Published)
    assert outcome.event_id.version == 7
    assert len(log.records("events")) == 1


async def test_override_stays_in_its_container(container: MakeContainer) -> None:
    """Another container has the real object."""
    fake = MemoryEventStore(lambda: NOON)
    assert await resolved(container("kafka", event_store=providers.Object(fake)).event_store) is fake
    assert type(await resolved(container("kafka").event_store)) is PostgresEventStore


def test_settings_of_a_wrong_type_are_refused() -> None:
    """Before their first use."""
    made = Container(settings=providers.Object({"port": 3000}))
    with pytest.raises(Exception, match="is not an instance of"):
        made.settings()
