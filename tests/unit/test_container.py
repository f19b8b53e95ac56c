"""The wiring: nothing else checks what is handed to whom."""

from collections.abc import AsyncIterator, Callable
from inspect import isawaitable
from operator import methodcaller
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from dependency_injector import providers
from structlog.testing import capture_logs

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
from adapters.records import codec
from application.audit import AuditRange
from application.dead_letters.rebuild_index import RebuildIndex
from application.dead_letters.use_cases import LetterUseCases
from application.halted_partitions import HaltedPartitions
from application.publish_event import Draft, Published, PublishEvent
from domain.event import UserEvent
from domain.event_types import EventType
from domain.validation import Invalid
from entrypoints.config.environment import load_settings
from entrypoints.config.errors import SettingsError
from entrypoints.container import Container, assembled
from entrypoints.processes.api import Api
from entrypoints.processes.consumer import Consumer
from tests.support.events import NOON, a_record, an_event
from tests.support.schema_folders import write

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
    """Makes containers of settings and parts, and closes in the end what they opened."""
    made: list[Container] = []

    def make(event_log: str, **given: str | providers.Provider[Any]) -> Container:
        stated = {name: value for name, value in given.items() if isinstance(value, str)}
        parts = {name: part for name, part in given.items() if name not in stated}
        made.append(Container(settings=load_settings({**NOWHERE, "EVENT_LOG": event_log, **stated}), **parts))
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
    [
        ("api", Api),
        ("consumer", Consumer),
        ("audit", AuditRange),
        ("halted_partitions", HaltedPartitions),
        ("letter_use_cases", LetterUseCases),
        ("rebuild_index", RebuildIndex),
    ],
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


@pytest.fixture
def with_schema(tmp_path: Path) -> dict[str, str]:
    """Settings with a schema for one type."""
    write(tmp_path, {"ORDER_PLACED.json": {"required": ["sku"]}})
    return {"EVENT_TYPES": "LOGIN", "EVENT_SCHEMAS": str(tmp_path)}


def is_accepted(container: Container, event_type: str, payload: bytes = b"{}") -> bool:
    """Tell whether the consumer would store an event."""
    decode = codec.decoder(container.record_rules())
    event = an_event(event_type=EventType(event_type), payload=payload)
    return isinstance(decode(a_record(codec.encode(event))), UserEvent)


@pytest.mark.parametrize(("where", "is_stored"), [("edge", True), ("both", False)])
async def test_payloads_of_records_are_checked_where_settings_say_so(
    where: str, with_schema: dict[str, str], container: MakeContainer, *, is_stored: bool
) -> None:
    """The type is checked in any case, the payload of a request, too."""
    made = container("kafka", **with_schema, SCHEMA_CHECK=where)
    assert is_accepted(made, "ORDER_PLACED", b'{"sku":1}')
    assert is_accepted(made, "ORDER_PLACED") is is_stored
    assert not is_accepted(made, "LOGOUT")
    with pytest.raises(Invalid):
        made.event_rules().validate(uuid4(), "u", "ORDER_PLACED", NOON, b"{}")


async def test_audit_reads_events_of_any_type(with_schema: dict[str, str], tmp_path: Path) -> None:
    """They may have been stored under other settings; a mistake in the schemas of today keeps nobody from the proof."""
    write(tmp_path, {"A.json": {"type": "objekt"}})
    async with assembled(
        load_settings(NOWHERE | with_schema | {"SCHEMA_CHECK": "both"}), methodcaller("audit")
    ) as audit:
        for event_type in ("ORDER_PLACED", "LOGOUT", "x"):
            event = an_event(event_type=EventType(event_type), payload=b"{}")
            assert audit.decode(a_record(codec.encode(event))) == event


@event_logs
@pytest.mark.parametrize("process", ["api", "consumer"])
async def test_wrong_schemas_end_the_start(event_log: str, process: str, tmp_path: Path) -> None:
    """With all mistakes at once, as other settings."""
    write(tmp_path, {"A.json": {"type": "objekt"}, "B.json": "{"})
    settings = load_settings({**NOWHERE, "EVENT_LOG": event_log, "EVENT_SCHEMAS": str(tmp_path)})
    with pytest.raises(SettingsError) as caught:
        async with assembled(settings, methodcaller(process)):
            pass
    places = [problem.split(": ")[:2] for problem in caught.value.problems]
    assert places == [["EVENT_SCHEMAS", "A.json#/type"], ["EVENT_SCHEMAS", "B.json"]]


async def test_accepted_violations_are_told_when_the_process_ends(with_schema: dict[str, str], tmp_path: Path) -> None:
    """Each process counts its own."""
    write(tmp_path, {"ORDER_PLACED.json": {"required": ["sku"], "x-on-violation": "accept"}})
    settings = load_settings(NOWHERE | with_schema)
    with capture_logs() as lines:
        async with assembled(settings, methodcaller("event_rules")) as rules:
            for _ in range(3):
                rules.validate(uuid4(), "u", "ORDER_PLACED", NOON, b"{}")
    told = [line for line in lines if line["event"] == "payloads break their schema and are accepted"]
    assert [(line["eventType"], line["keyword"], line["pointer"], line["events"]) for line in told] == [
        ("ORDER_PLACED", "required", "", 1),
        ("ORDER_PLACED", "required", "", 2),
    ]
