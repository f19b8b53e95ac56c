"""A table that refuses one record, or everything: the first costs one dead letter, the second costs none."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory import MemoryDeadLetterQueue, MemoryLog, MemoryPartitionStates, MemorySource
from adapters.postgres.events.event_store import PostgresEventStore
from adapters.postgres.sessions.database import Database, Limits
from adapters.postgres.sessions.engine import create_engine
from adapters.records import codec
from application.consume.consumer_loop import ConsumerLoop
from application.consume.dlq_limits import DlqLimits
from application.consume.pace import Backoff, Pace
from application.consume.process_event import ProcessEvent
from domain.errors import WrongDeployment
from domain.event import UserEvent
from tests.support.events import an_event, decode
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

ABOUT_VALUES = ("P0001", "P0004", "21000", "0A000", "38001", "22000", "23502", "23505", "23514", "54000")
ABOUT_THE_DEPLOYMENT = ("42501", "42703", "42P01", "3F000")
ABOUT_THE_MOMENT = (
    *("40001", "40P01", "55P03", "57014", "57P01", "53100", "53400", "25006", "08006", "58030", "XX000", "UE001"),
)
REFUSED = "refused"
_ONE = f"NEW.user_id = '{REFUSED}'"
_EVERYTHING = "true"


class Moving:
    """A consumer from a log in memory into the real table."""

    def __init__(self, engine: AsyncEngine, *, batch_size: int = 100, patience: float = 0.2) -> None:
        self.log = MemoryLog(partitions=2)
        self.source = MemorySource(self.log, "events", "group")
        process = ProcessEvent(
            PostgresEventStore(engine, settle=25.0),
            MemoryDeadLetterQueue(self.log, "letters"),
            lambda: datetime.now(UTC),
            patience=patience,
        )
        self.consumer = ConsumerLoop(
            self.source,
            process,
            MemoryPartitionStates("events", "group"),
            decode,
            lambda: datetime.now(UTC),
            pace=Pace(batch_size=batch_size, poll_wait=0.02, backoff=Backoff(0.01, 0.05)),
            dlq_limits=DlqLimits(),
        )

    def append(self, *events: UserEvent, partition: int = 0) -> None:
        """Append to a partition."""
        for event in events:
            self.log.append("events", None, codec.encode(event), partition=partition)

    @property
    def letters(self) -> list[tuple[str, int]]:
        """The dead letters: why, and the offset of the original."""
        found = [dict(record.headers) for partition in self.log.topics["letters"] for record in partition]
        return sorted(((headers["dlq.kind"] or b"").decode(), int(headers["dlq.offset"] or b"-1")) for headers in found)

    def committed(self, partition: int = 0) -> int:
        """The group's position."""
        return self.log.groups["events", "group"].committed[partition]

    async def commits(self, count: int, partition: int = 0) -> None:
        """Return when the group's position is there."""

        async def has_committed() -> bool:
            return self.committed(partition) >= count

        await eventually(has_committed, f"{count} records committed, waits for: {self.consumer.waits_for}", within=60)

    async def pauses(self) -> str:
        """Return, with the cause, when a partition is paused."""

        async def is_paused() -> bool:
            return self.consumer.waits_for is not None

        await eventually(is_paused, "a paused partition")
        return self.consumer.waits_for or ""

    async def keeps_trying(self, seconds: float) -> None:
        """Return when it has tried in vain for so long."""
        clock = asyncio.get_running_loop().time
        tries, since = self.consumer.pulse.deeds, clock()

        async def has_tried() -> bool:
            return self.consumer.pulse.deeds > tries and clock() - since >= seconds

        await eventually(has_tried, "tried again and again")

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        """Run the consumer meanwhile."""
        stop = asyncio.Event()
        await self.source.open()
        run = asyncio.create_task(self.consumer.run(stop))
        try:
            yield run
        finally:
            stop.set()
            await asyncio.wait([run])


async def execute(engine: AsyncEngine, *statements: str) -> None:
    """Change the table as an operator would."""
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def ids(engine: AsyncEngine) -> list[object]:
    """All rows of the table."""
    async with engine.connect() as connection:
        return list((await connection.execute(text("SELECT id FROM events"))).scalars())


async def refuse(engine: AsyncEngine, condition: str, deed: str, when: str = "BEFORE INSERT") -> None:
    """Have a trigger do something to the rows of a condition."""
    await execute(
        engine,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN IF {condition} THEN {deed}; END IF; RETURN NEW; END$$",
        f"CREATE TRIGGER refuse {when} ON events FOR EACH ROW EXECUTE FUNCTION refuse()",
    )


def raising(code: str) -> str:
    """What a trigger does to refuse a row."""
    return f"RAISE EXCEPTION 'not this one' USING ERRCODE = '{code}'"


def with_culprit_at(place: int, count: int = 20) -> Sequence[UserEvent]:
    """Events of which one is refused."""
    return [an_event(REFUSED if number == place else f"user-{number}") for number in range(count)]


@pytest.mark.parametrize("code", [*ABOUT_VALUES, *ABOUT_THE_DEPLOYMENT, *ABOUT_THE_MOMENT])
async def test_one_refused_record_is_a_dead_letter_whatever_the_code(engine: AsyncEngine, code: str) -> None:
    """Its neighbours are stored and its partition goes on."""
    await refuse(engine, _ONE, raising(code))
    moving = Moving(engine)
    events = with_culprit_at(7)
    moving.append(*events)
    async with moving.running():
        await moving.commits(len(events))
        moving.append(later := an_event())
        await moving.commits(len(events) + 1)
    assert moving.letters == [("rejected", 7)]
    assert set(await ids(engine)) == {event.id for event in (*events, later) if event.user_id != REFUSED}


@pytest.mark.parametrize(
    ("deed", "when"),
    [
        ("RETURN NULL", "BEFORE INSERT"),
        (raising("P0001"), "AFTER INSERT"),
        ("PERFORM 1 / 0", "BEFORE INSERT"),
        ("PERFORM no_such_function()", "BEFORE INSERT"),
    ],
    ids=["keeps the row out", "refuses it after the write", "fails itself", "calls what is not there"],
)
async def test_one_record_that_a_trigger_does_not_let_in_is_a_dead_letter(
    engine: AsyncEngine, deed: str, when: str
) -> None:
    """However the trigger says no."""
    await refuse(engine, _ONE, deed, when)
    moving = Moving(engine)
    moving.append(*with_culprit_at(0))
    async with moving.running():
        await moving.commits(20)
    assert moving.letters == [("rejected", 0)]
    assert len(await ids(engine)) == 19


async def test_record_refused_at_the_commit_is_a_dead_letter(engine: AsyncEngine) -> None:
    """A deferred constraint trigger speaks as late as that."""
    await execute(
        engine,
        f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF {_ONE} THEN {raising('P0001')}; "
        "END IF; RETURN NULL; END$$",
        "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    moving = Moving(engine)
    moving.append(*with_culprit_at(19))
    async with moving.running():
        await moving.commits(20)
    assert moving.letters == [("rejected", 19)]


@pytest.mark.parametrize("code", ["P0001", "0A000", "23514", "40001", "53100", "57P01"])
async def test_trigger_that_refuses_everything_for_a_while_costs_no_dead_letter(engine: AsyncEngine, code: str) -> None:
    """Nor does it when it begins in the middle of a search for a culprit."""
    await refuse(engine, _EVERYTHING, raising(code))
    moving = Moving(engine)
    events = with_culprit_at(3)
    moving.append(*events)
    async with moving.running():
        assert code in await moving.pauses()
        await moving.keeps_trying(1.0)
        assert (moving.letters, moving.committed()) == ([], 0)
        await execute(engine, "DROP TRIGGER refuse ON events")
        await moving.commits(len(events))
    assert moving.letters == []
    assert len(await ids(engine)) == len(events)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE events ADD x TEXT NOT NULL DEFAULT ''; ALTER TABLE events ALTER x DROP DEFAULT", "column x"),
        ("ALTER TABLE events DROP COLUMN occurred_at", "occurred_at"),
        ("ALTER TABLE events RENAME COLUMN payload TO body", "payload"),
        ("ALTER TABLE events ALTER COLUMN occurred_at TYPE text", "events"),
        ("ALTER TABLE events RENAME TO moved", "events"),
    ],
)
async def test_table_that_does_not_fit_ends_the_consumer(engine: AsyncEngine, change: str, told: str) -> None:
    """With what is wrong, and nothing is dead-lettered."""
    store = Moving(engine)
    store.append(*with_culprit_at(0, count=3))
    async with store.running():
        await store.commits(3)
    await execute(engine, *change.split("; "))
    moving = Moving(engine)
    moving.append(*(an_event() for _ in range(20)))
    async with moving.running() as run:
        await asyncio.wait([run], timeout=30)
        assert run.done(), moving.consumer.waits_for
        with pytest.raises(WrongDeployment, match=told):
            run.result()
    assert (moving.letters, moving.committed()) == ([], 0)


async def test_missing_right_ends_the_consumer(database: Database, postgres: PostgresServer) -> None:
    """Unlike the same code for one record."""
    role = f"test_{uuid4().hex}"
    await postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    engine = create_engine(replace(database, user=role, password="secret"), application_name="tests", pool_size=5)
    moving = Moving(engine)
    moving.append(*with_culprit_at(1))
    async with moving.running() as run:
        await asyncio.wait([run], timeout=30)
        assert run.done(), moving.consumer.waits_for
        with pytest.raises(WrongDeployment, match="42501"):
            run.result()
    await engine.dispose()
    await postgres.execute(f"DROP ROLE {role}")
    assert moving.letters == []


@pytest.mark.parametrize(
    "rule",
    ["CHECK (payload ? 'tenant') NOT VALID", "CHECK (occurred_at < '2001-01-01') NOT VALID"],
)
async def test_constraint_that_refuses_every_event_costs_no_dead_letter(engine: AsyncEngine, rule: str) -> None:
    """It waits, and goes on where the constraint is dropped."""
    moving = Moving(engine)
    moving.append(an_event())
    async with moving.running():
        await moving.commits(1)
        await execute(engine, f"ALTER TABLE events ADD CONSTRAINT too_strict {rule}")
        moving.append(*(an_event() for _ in range(20)))
        assert "too_strict" in await moving.pauses()
        await moving.keeps_trying(0.5)
        await execute(engine, "ALTER TABLE events DROP CONSTRAINT too_strict")
        await moving.commits(21)
    assert moving.letters == []


@pytest.mark.parametrize(
    "rule",
    [
        "ADD CONSTRAINT known FOREIGN KEY (user_id) REFERENCES users (id)",
        "ADD CONSTRAINT known CHECK (user_id LIKE 'user-%')",
        "ADD CONSTRAINT known UNIQUE (user_id, event_type)",
    ],
)
async def test_record_that_a_constraint_refuses_is_a_dead_letter(engine: AsyncEngine, rule: str) -> None:
    """Although a made-up event, or a copy of a stored one, would be refused as well."""
    await execute(engine, "CREATE TABLE users (id text PRIMARY KEY)")
    await execute(engine, "INSERT INTO users SELECT 'user-' || number FROM generate_series(0, 30) AS number")
    await execute(engine, f"ALTER TABLE events {rule}")
    moving = Moving(engine)
    moving.append(an_event("user-0"), an_event("user-1"))
    async with moving.running():
        await moving.commits(2)
        moving.append(an_event("user-2"), an_event(REFUSED), an_event(REFUSED), an_event("user-3"))
        await moving.commits(6)
    # The first of the two is new to a unique constraint.
    assert (
        moving.letters == [("rejected", 4)]
        if "UNIQUE" in rule
        else moving.letters
        == [
            ("rejected", 3),
            ("rejected", 4),
        ]
    )


async def test_row_that_is_locked_for_a_while_is_no_dead_letter(database: Database) -> None:
    """Another writer's open transaction has its id; others are stored meanwhile."""
    engine = create_engine(replace(database, limits=Limits(lock=0.2)), application_name="tests", pool_size=5)
    moving, event = Moving(engine, patience=60), an_event()
    moving.append(event)
    async with engine.connect() as other:
        await other.execute(
            text("INSERT INTO events (id, user_id, event_type) VALUES (:id, 'user-1', 'LOGIN')"), {"id": event.id}
        )
        async with moving.running():
            assert "55P03" in await moving.pauses()
            moving.append(an_event(), partition=1)
            await moving.commits(1, partition=1)
            await other.rollback()
            await moving.commits(1)
    await engine.dispose()
    assert moving.letters == []
