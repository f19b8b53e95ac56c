"""10,000 events, 300 of them bad in three ways, and the processes that they pass."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any
from uuid import UUID, uuid4

from tests.support.command import Finished, user_events
from tests.support.records import NewRecord
from tests.support.service import Service
from tests.support.waiting import eventually
from tests.support.world import World

Json = dict[str, Any]
Append = Callable[[Sequence[NewRecord]], Awaitable[None]]

_BATCHES = 10
_BAD_EACH = 10
"""Of each kind in each batch."""
_GOOD_BETWEEN = 97
_NOON = "2026-11-30T12:00:00Z"
GOOD = _BATCHES * _BAD_EACH * _GOOD_BETWEEN
BAD_OF_A_KIND = _BATCHES * _BAD_EACH
REFUSED_USERS = 10
WRONG_TYPE = "SIGNUP"


def an_event(user: str, content: int, *, event_type: str = "LOGIN", event_id: str | None = None) -> Json:
    """Make an event as a client writes it."""
    return {
        "eventId": event_id or str(uuid4()),
        "userId": user,
        "eventType": event_type,
        "timestamp": _NOON,
        "payload": {"n": content},
    }


def as_value(event: Json) -> bytes:
    """Render an event as a record's value."""
    return json.dumps(event).encode()


def as_row(event: Json, event_id: UUID | None = None) -> tuple[UUID, str, str, Json]:
    """What the table has of an event, which may have got another id."""
    return event_id or UUID(event["eventId"]), event["userId"], event["eventType"], event["payload"]


@dataclass
class Events:
    """What was published, by what has to become of it."""

    good: list[Json] = field(default_factory=list)
    rejected: list[Json] = field(default_factory=list)
    """Of users that the table refuses."""
    conflict: list[Json] = field(default_factory=list)
    """With the id of a good one of the same user, which stands before them."""
    invalid: list[Json] = field(default_factory=list)
    """Of a type that is not accepted; no api takes them."""

    def batch(self) -> list[Json]:
        """Make a batch for the api, the bad ones spread evenly."""
        return [event for _ in range(_BAD_EACH) for event in self._some()]

    def odd_records(self) -> list[NewRecord]:
        """Make records of a type that is not accepted, for all partitions in turn."""
        numbers = range(len(self.invalid), len(self.invalid) + _BAD_EACH)
        events = [an_event(f"odd-{number % 5}", -number, event_type=WRONG_TYPE) for number in numbers]
        self.invalid += events
        return [
            NewRecord(as_value(event), event["userId"].encode(), partition=number % 4)
            for number, event in zip(numbers, events, strict=True)
        ]

    def _some(self) -> Iterator[Json]:
        for number in range(len(self.good), len(self.good) + _GOOD_BETWEEN):
            self.good.append(an_event(f"user-{number % 200}", number))
            yield self.good[-1]
        number, first = len(self.rejected), self.good[-_GOOD_BETWEEN]
        self.rejected.append(an_event(f"refused-{number % REFUSED_USERS}", number))
        self.conflict.append(an_event(first["userId"], -1 - number, event_id=first["eventId"]))
        yield from (self.rejected[-1], self.conflict[-1])


@dataclass(frozen=True)
class Stage:
    """A world with its api and its consumers; `append` puts records into the topic, past the api."""

    world: World
    settings: Mapping[str, str]
    """What its processes need beside what names the world."""
    append: Append
    api: Service
    consumers: Sequence[Service]

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings of commands."""
        return {**self.world.environment, **self.settings}

    async def command(self, *arguments: str) -> Finished:
        """Run a command, which has to succeed."""
        finished = await user_events(*arguments, environment=self.environment)
        assert finished.exit_code == 0, finished
        return finished

    async def publish(self) -> Events:
        """Publish all events; return once the table or the index has each of them."""
        await self.world.query("ALTER TABLE events ADD CONSTRAINT known_users CHECK (user_id NOT LIKE 'refused-%')")
        events = Events()
        for _ in range(_BATCHES):
            answer = await self.api.client.post("/events/batch", json=events.batch())
            assert answer.status_code == 200, answer.text
            assert {result["status"] for result in answer.json()["results"]} == {"published"}
            await self.append(events.odd_records())
        await self._counts("SELECT count(*) FROM events", GOOD)
        await self._counts("SELECT count(*) FROM dead_letters WHERE state = 'dead'", 3 * BAD_OF_A_KIND)
        return events

    async def mend(self) -> None:
        """Have the table take the users that it refused."""
        await self.world.query("ALTER TABLE events DROP CONSTRAINT known_users")

    async def rows(self) -> list[tuple[UUID, str, str, Json]]:
        """All events of the table, by id."""
        rows = await self.world.query("SELECT id, user_id, event_type, payload::text FROM events ORDER BY id")
        return [(row[0], row[1], row[2], json.loads(row[3])) for row in rows]

    async def kill_worker(self, job_id: str, published: int) -> Service:
        """Kill the consumer that works on a job, once that many letters are published; return the other one."""
        done = "SELECT count(*) >= $2 FROM dead_letter_job_items WHERE job_id = $1 AND state IN ('replayed', 'stored')"

        async def is_midway() -> bool:
            return bool((await self.world.query(done, UUID(job_id), published))[0][0])

        await eventually(is_midway, "the job is midway")
        taken = [
            (line["timestamp"], place)
            for place, consumer in enumerate(self.consumers)
            for event in ("dead-letter job started", "dead-letter job taken over")
            for line in consumer.lines(event)
            if line["job"] == job_id
        ]
        _at, place = max(taken)
        await self.consumers[place].kill9()
        return self.consumers[1 - place]

    async def is_taken_over(self, job_id: str, by: Service) -> None:
        """Return once a consumer works on a job that another one left."""

        async def has_it() -> bool:
            return any(line["job"] == job_id for line in by.lines("dead-letter job taken over"))

        await eventually(has_it, "the job is taken over")

    async def _counts(self, statement: str, count: int) -> None:
        found = 0

        async def is_reached() -> bool:
            nonlocal found
            ((found,),) = await self.world.query(statement)
            return bool(found >= count)

        await eventually(is_reached, f"{count}: {statement}")
        assert found == count


async def a_stage(world: World, settings: Mapping[str, str], append: Append) -> Stage:
    """Start an api and two consumers."""
    api, *consumers = await asyncio.gather(*(world.run(kind, **settings) for kind in ("api", "consumer", "consumer")))
    return Stage(world, settings, append, api, consumers)


def by_id(lines: bytes) -> dict[str, Json]:
    """Read exported letters."""
    letters = [json.loads(line) for line in lines.splitlines()]
    return dict(zip(map(itemgetter("id"), letters), letters, strict=True))
