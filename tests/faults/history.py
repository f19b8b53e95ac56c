"""What clients did: every event that they meant to publish, and the responses to it."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from random import Random
from uuid import UUID

_TYPES = ("LOGIN", "LOGOUT", "PRODUCT_VIEW")
_FILLERS = 64


class Outcome(Enum):
    """What a client knows of an event in the end."""

    UNKNOWN = "unknown"
    OK = "ok"
    FAILED = "failed"


@dataclass(slots=True)
class Event:
    """One event of a client, whichever number of times it is sent. Times are of the machine's clock, in seconds."""

    id: UUID
    user: str
    event_type: str
    payload: bytes
    timestamp: str
    attempts: int = 0
    first_sent: float = 0.0
    acked: float | None = None
    outcome: Outcome = Outcome.UNKNOWN

    def record(self) -> bytes:
        """The value of its record, as the legacy service writes it."""
        head = f'{{"eventId":"{self.id}","userId":"{self.user}","eventType":"{self.event_type}"'
        return f'{head},"timestamp":"{self.timestamp}","payload":'.encode() + self.payload + b"}"


@dataclass
class History:
    """All events of all clients; those of one user in the order in which they were sent."""

    events: dict[UUID, Event] = field(default_factory=dict)
    acknowledged: int = 0
    in_flight: int = 0
    """Events that were sent and not yet answered."""
    attempts: int = 0
    repeats: int = 0
    """Attempts made on purpose with an event that was acknowledged already."""

    def exempt(self, ids: Iterable[UUID]) -> None:
        """Expect nothing of these events any more, acknowledged or not: the scenario itself has destroyed them."""
        for each in ids:
            self.events[each].outcome = Outcome.UNKNOWN
            self.events[each].acked = None

    def of_users(self) -> Iterator[list[Event]]:
        """Each user's events, in order."""
        users: dict[str, list[Event]] = defaultdict(list)
        for event in self.events.values():
            users[event.user].append(event)
        return iter(users.values())

    def with_outcome(self, outcome: Outcome) -> set[UUID]:
        """The ids of the events with this outcome."""
        return {event.id for event in self.events.values() if event.outcome is outcome}


class Events:
    """Makes events of some users, the same ones for the same seed (times and ids aside)."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._numbers: dict[str, int] = defaultdict(int)
        self._fillers = [self._filler() for _ in range(_FILLERS)]

    def make(self, user: str) -> Event:
        """Make a user's next event; its number is in the payload."""
        self._numbers[user] = number = self._numbers[user] + 1
        payload = b'{"seq": %d,%s' % (number, self._random.choice(self._fillers))
        timestamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        # The time in front and random bits behind: ids of one moment are neighbours, as the service's own are.
        event_id = UUID(int=(int(datetime.now(UTC).timestamp() * 1000) << 80) | self._random.getrandbits(80))
        return Event(event_id, user, self._random.choice(_TYPES), payload, timestamp)

    def _filler(self) -> bytes:
        """The rest of a payload: text, numbers, nesting, and spaces that `jsonb` will not keep."""
        fields = {
            "page": f"/products/{self._random.randrange(10_000)}",
            "title": "".join(self._random.choices('abcdefgh äöü€漢😀\\"', k=24)),
            "price": self._random.randrange(1, 10**6) / 100,
            "tags": self._random.sample(["new", "sale", "gift", "last"], k=2),
            "device": {"os": self._random.choice(["linux", "ios"]), "screen": [1920, 1080], "touch": None},
        }
        return json.dumps(fields, ensure_ascii=self._random.random() < 0.5).encode()[1:]
