"""Letters of events that the table refuses for a while, their replay, and what the index has to say of them."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from aiokafka.structs import ConsumerRecord

from adapters.postgres.dead_letters.jobs import PostgresReplayJobs
from adapters.postgres.sessions.engine import create_engine
from application.dead_letters.jobs import ItemState, Job, JobState
from application.dead_letters.letters import LetterFilter
from application.dead_letters.orders import Action, NewEntry, Order
from tests.faults.evidence import Evidence
from tests.faults.history import Events, Outcome
from tests.faults.load import Load
from tests.faults.stage import Stage
from tests.support.waiting import eventually

_REFUSE = "ALTER TABLE events ADD CONSTRAINT no_guests CHECK (user_id NOT LIKE 'guest-%')"
_ADMIT = "ALTER TABLE events DROP CONSTRAINT no_guests"
_WITHIN_SECONDS = 90.0
_LETTERS = "SELECT id, state, dlq_partition, dlq_offset, kind, key, value FROM dead_letters"
_ATTEMPTS = "SELECT letter_id, dlq_partition, dlq_offset, kind, replays FROM dead_letter_attempts"


@dataclass
class Guests:
    """Users of one event each, so that nothing of theirs can overtake a letter."""

    stage: Stage
    ids: set[UUID] = field(default_factory=set)
    """The events that became letters."""

    async def refuse(self) -> None:
        """Have the table refuse their events."""
        await self.stage.query(_REFUSE)

    async def admit(self) -> None:
        """Mend the table."""
        await self.stage.query(_ADMIT)

    async def publish(self, load: Load, count: int) -> None:
        """Publish refused events beside the load, and wait until each of them is acknowledged."""
        events = Events(Random(f"{self.stage.seed}/{len(self.ids)}"))
        made = [events.make(f"guest-{number}") for number in range(len(self.ids), len(self.ids) + count)]
        self.ids |= {event.id for event in made}
        await asyncio.gather(*map(load.publish, made))
        assert {event.outcome for event in made} == {Outcome.OK}

    async def indexed(self) -> None:
        """Return when the index has a letter of each of them, and all that the DLQ has."""

        async def are_indexed() -> bool:
            noted = {(row["dlq_partition"], row["dlq_offset"]) for row in await self.stage.query(_ATTEMPTS)}
            letters = await self.stage.letters()
            return len(letters) >= len(self.ids) and noted >= {(each.partition, each.offset) for each in letters}

        await eventually(are_indexed, "every dead letter in the index", within=_WITHIN_SECONDS)

    async def replay(self, *, rate: float | None = None) -> "Replay":
        """Order the replay of all letters, as the command line does; `rate` in letters a second."""
        order = Order(Action.REPLAY, "the table admits guests", rate_per_second=rate)
        entry = NewEntry("cli:operator@host", order.action, {}, order.reason)
        async with _jobs(self.stage) as jobs:
            job = await jobs.create(LetterFilter(), order, entry, len(self.ids))
        return Replay(self.stage, job.id)


@dataclass(frozen=True)
class Replay:
    """A job, seen by who ordered it: past the proxies."""

    stage: Stage
    job_id: UUID

    async def seen(self) -> Job:
        """How the job stands."""
        async with _jobs(self.stage) as jobs:
            found = await jobs.get(self.job_id)
        assert found is not None
        assert sum(found.job.counts.values()) == found.job.letters
        return found.job

    async def is_in_flight(self) -> None:
        """Return when some letters have their outcome; the others must not have it yet."""

        async def some_are_stored() -> bool:
            return (await self.seen()).counts.get(ItemState.STORED, 0) > 0

        await eventually(some_are_stored, "letters of the job stored")
        assert (await self.seen()).state is JobState.RUNNING

    async def waits(self) -> str:
        """Return what the job waits for, once it says so."""

        async def says_why() -> bool:
            return (await self.seen()).why is not None

        await eventually(says_why, "a job that says what it waits for")
        return (await self.seen()).why or ""

    async def finished(self) -> None:
        """Return when the job is over, which must have stored each letter; nothing is left to be waited for."""

        async def is_over() -> bool:
            return (await self.seen()).state is JobState.FINISHED

        await eventually(is_over, "the job finished", within=_WITHIN_SECONDS)
        job = await self.seen()
        assert {state: count for state, count in job.counts.items() if count} == {ItemState.STORED: job.letters}
        assert job.why is None


async def check_index(stage: Stage, seen: Evidence, *, states: Collection[str]) -> None:
    """Compare the index with the DLQ: each letter, and each attempt, once; the letters must be in these states."""
    first: dict[str, tuple[object, ...]] = {}
    attempts = []
    for letter in sorted(seen.letters, key=lambda each: (each.record.partition, each.record.offset)):
        assert letter.origin is not None
        letter_id, place = "{}-{}".format(*letter.origin), (letter.record.partition, letter.record.offset)
        kind, replays = (letter.headers[f"dlq.{name}"] or b"" for name in ("kind", "replays"))
        first.setdefault(letter_id, (*place, kind.decode(), letter.record.key, letter.record.value))
        attempts.append((letter_id, *place, kind.decode(), int(replays)))
    rows = await stage.query(_LETTERS)
    assert {row["state"] for row in rows} == set(states)
    columns = ("dlq_partition", "dlq_offset", "kind", "key", "value")
    assert {row["id"]: tuple(row[column] for column in columns) for row in rows} == first
    assert len(rows) == len(first)
    assert sorted(map(tuple, await stage.query(_ATTEMPTS))) == sorted(attempts)


def replays_in(records: Sequence[ConsumerRecord]) -> int:
    """Count replays among records of the events' topic."""
    return sum("dlq.replays" in dict(record.headers) for record in records)


@asynccontextmanager
async def _jobs(stage: Stage) -> AsyncIterator[PostgresReplayJobs]:
    engine = create_engine(stage.database, application_name="tests", pool_size=1)
    try:
        yield PostgresReplayJobs(engine, stage.topic)
    finally:
        await engine.dispose()
