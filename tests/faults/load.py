"""Clients that publish side by side and keep a history; each user's next event follows the former's answer."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from contextlib import AbstractAsyncContextManager
from enum import Enum, auto
from random import Random
from types import TracebackType
from typing import Protocol, Self

from tests.faults.history import Event, Events, History, Outcome
from tests.support.waiting import eventually

_WORKERS_END_SECONDS = 20.0
_RETRY_SECONDS = (0.02, 0.2)
_REPEATED = 0.02
"""Of all events, how many are sent once more although they were acknowledged."""
_GIVEN_UP = 0.2
"""How often a client that got no answer leaves it at that."""
_REMEMBERED = 20


class Answer(Enum):
    """What a client learns of one attempt."""

    OK = auto()
    REFUSED = auto()
    RETRY = auto()
    """The event is not confirmed; send it again with the same id."""
    NONE = auto()
    """The connection was lost, or no answer came in time."""


class HasHistory(Protocol):
    """Clients whose work is over."""

    @property
    def history(self) -> History: ...


class Client(Protocol):
    """Sends one event at a time."""

    async def send(self, event: Event) -> Answer:
        """Send an event and wait for what becomes of it."""
        ...


class Load(ABC):
    """Publishes from the start of its context to the end, or until `most` events were made."""

    def __init__(self, seed: str, *, workers: int, users_each: int, most: int | None = None) -> None:
        self.history = History()
        self.pause = 0.0
        """Seconds that each worker rests between two events, for faults that last long."""
        self._seed = seed
        self._workers = workers
        self._users_each = users_each
        self._most = most
        self._stopping = False
        self._running: list[asyncio.Task[None]] = []

    @abstractmethod
    def client(self) -> AbstractAsyncContextManager[Client]:
        """Make a worker's client."""

    async def __aenter__(self) -> Self:
        """Start the clients."""
        self._running = [asyncio.create_task(self._work(number)) for number in range(self._workers)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let each client end its current event; what it cannot within a limit stays unknown."""
        self._stopping = True
        _done, stuck = await asyncio.wait(self._running, timeout=_WORKERS_END_SECONDS if error is None else 0)
        for worker in stuck:
            worker.cancel()
        for outcome in await asyncio.gather(*self._running, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def publish(self, event: Event) -> None:
        """Publish one more event, which the scenario has made, and note what becomes of it."""
        self.history.events[event.id] = event
        async with self.client() as client:
            await self._publish(client, event, Random(self._seed))

    async def acknowledged(self, count: int, *, within: float = 120.0) -> None:
        """Return when so many events were acknowledged in all."""

        async def are_acknowledged() -> bool:
            return self.history.acknowledged >= count or self._has_ended()

        await eventually(are_acknowledged, f"{count} events acknowledged", within=within)
        assert self.history.acknowledged >= count, f"the clients ended after {self.history.acknowledged} events"

    async def more(self, count: int, *, within: float = 120.0) -> None:
        """Return when so many more events were acknowledged."""
        await self.acknowledged(self.history.acknowledged + count, within=within)

    async def busy(self) -> None:
        """Return at a moment when an event is in flight, which is always soon."""
        async with asyncio.timeout(_WORKERS_END_SECONDS):
            while self.history.in_flight == 0:
                await asyncio.sleep(0)

    def _has_ended(self) -> bool:
        return all(worker.done() for worker in self._running)

    async def _work(self, number: int) -> None:
        random = Random(f"{self._seed}/{number}")
        events = Events(random)
        users = [f"user-{number}-{each}" for each in range(self._users_each)]
        earlier: dict[str, list[Event]] = defaultdict(list)
        async with self.client() as client:
            while not self._stopping and (self._most is None or len(self.history.events) < self._most):
                user = random.choice(users)
                event = events.make(user)
                self.history.events[event.id] = event
                await self._publish(client, event, random)
                if event.outcome is Outcome.OK:
                    earlier[user] = [*earlier[user][1 - _REMEMBERED :], event]
                await asyncio.sleep(self.pause)
                if earlier[user] and random.random() < _REPEATED:
                    self.history.repeats += 1
                    await self._attempt(client, random.choice(earlier[user]))

    async def _publish(self, client: Client, event: Event, random: Random) -> None:
        while True:
            answer = await self._attempt(client, event)
            if answer is Answer.OK:
                event.acked = time.time()
                event.outcome = Outcome.OK
                self.history.acknowledged += 1
                return
            if answer is Answer.REFUSED:
                # An earlier attempt without an answer may have been taken.
                event.outcome = Outcome.FAILED if event.attempts == 1 else Outcome.UNKNOWN
                return
            if answer is not Answer.RETRY and random.random() < _GIVEN_UP:
                return
            await asyncio.sleep(random.uniform(*_RETRY_SECONDS))

    async def _attempt(self, client: Client, event: Event) -> Answer:
        event.attempts += 1
        event.first_sent = event.first_sent or time.time()
        self.history.attempts += 1
        self.history.in_flight += 1
        try:
            return await client.send(event)
        finally:
            self.history.in_flight -= 1
