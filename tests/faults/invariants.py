"""The promises A to J of the service, each checked by a function that yields what broke it."""

import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import accumulate
from typing import Final
from uuid import UUID

from tests.faults.evidence import Evidence, Place
from tests.faults.history import Event, Outcome

RECOVERY_SECONDS: Final = 60.0
GRACE_SECONDS: Final = 25.0
"""The default of SHUTDOWN_GRACE_SECONDS."""
RESIDENT_MB: Final = 400.0
SOCKETS: Final = 100
SESSIONS: Final[Mapping[str, int]] = {"api": 10, "consumer": 10 + 4}
"""The default of DB_POOL_SIZE, and a consumer's sessions for dead letters."""
_CLOCK_SECONDS: Final = 0.0015
"""Brokers note whole milliseconds."""
_OF_THE_BROKER: Final = 1
"""The type of a record's time."""
_SHOWN: Final = 5

Broken = Iterator[str]


def kept(seen: Evidence) -> Broken:
    """A: every acknowledged event has a row or a dead letter."""
    here = {row.id for row in seen.rows} | {letter.event_id for letter in seen.letters}
    yield from _named("acknowledged, but neither stored nor dead", seen.history.with_outcome(Outcome.OK) - here)


def one_row_an_id(seen: Evidence) -> Broken:
    """B: no id is twice in the table."""
    counts = Counter(row.id for row in seen.rows)
    yield from _named("stored more than once", [each for each, count in counts.items() if count > 1])


def nothing_invented(seen: Evidence) -> Broken:
    """C: every row was sent, and has the contents that were sent."""
    sent = seen.history.events
    yield from _named("stored, but never sent", [row.id for row in seen.rows if row.id not in sent])
    changed = []
    for row in seen.rows:
        event = sent.get(row.id)
        if (event is not None and (row.user, row.event_type, row.occurred_at) != _fields(event)) or (
            event is not None and json.loads(row.payload) != json.loads(event.payload)
        ):
            changed.append(row.id)
    yield from _named("stored with another content than sent", changed)


def order_of_users(seen: Evidence) -> Broken:
    """D: no user's event was visible before one that was acknowledged before its first sending."""
    committed = {row.id: row.committed_at for row in seen.rows}
    for events in seen.history.of_users():
        latest: tuple[float, Event] | None = None
        for event in events:
            at = committed.get(event.id)
            if at is not None and latest is not None and at < latest[0]:
                yield f"{event.user}: {event.id} was stored {latest[0] - at:.6f} s before {latest[1].id}"
            if at is not None and event.outcome is Outcome.OK and (latest is None or at > latest[0]):
                latest = (at, event)


def commits_follow_storing(seen: Evidence) -> Broken:
    """E: whenever an offset was committed, each record below it was stored or dead-lettered already."""
    since = _durable_since(seen)
    offsets: dict[int, list[int]] = defaultdict(list)
    latest: dict[int, list[float]] = {}
    for partition, offset in sorted(since):
        offsets[partition].append(offset)
    for partition, ascending in offsets.items():
        latest[partition] = list(accumulate((since[partition, offset] for offset in ascending), max))
    for commit in seen.commits:
        below = bisect_left(offsets[commit.partition], commit.offset)
        if below and latest[commit.partition][below - 1] > commit.at + _CLOCK_SECONDS:
            early = [at for at in offsets[commit.partition][:below] if since[commit.partition, at] > commit.at]
            yield (
                f"{commit.offset} of partition {commit.partition} was committed at {commit.at:.3f}, when "
                f"{len(early)} records below it were not durable: {early[:_SHOWN]}"
            )


def caught_up(seen: Evidence) -> Broken:
    """F: after the healing the consumers caught up soon."""
    if seen.recovery_seconds is None or seen.recovery_seconds > RECOVERY_SECONDS:
        yield f"the lag did not return to 0 within {RECOVERY_SECONDS:.0f} s, but {seen.recovery_seconds}"
    if seen.uncommitted:
        yield f"{seen.uncommitted} records were never committed"


def ended_in_time(seen: Evidence) -> Broken:
    """G: whatever was asked to end did so in order and within the grace period."""
    for each in seen.exits:
        if each.code != 0 or each.seconds > GRACE_SECONDS:
            yield f"{each.process} ended with {each.code} after {each.seconds:.1f} s"


def dead_letters_are_whole(seen: Evidence) -> Broken:
    """H: each dead letter has its record's bytes and names its place."""
    records = {(record.partition, record.offset): record for record in seen.records}
    for letter in seen.letters:
        record = records.get(letter.origin) if letter.origin else None
        if record is None:
            yield f"the dead letter at {letter.record.offset} comes from {letter.origin}, where there is no record"
            continue
        content = (letter.record.key, letter.record.value)
        if "dlq.oversize" in letter.headers:
            content = seen.oversize.get((record.partition, record.offset), content)
        elif not set(record.headers) <= set(letter.record.headers):
            yield f"the dead letter from {letter.origin} lacks headers of its record"
        if content != (record.key, record.value):
            yield f"the dead letter from {letter.origin} has other bytes than its record"
        if letter.headers.get("dlq.topic") != record.topic.encode():
            yield f"the dead letter from {letter.origin} names another topic"


def bounded(seen: Evidence) -> Broken:
    """I: memory, sockets and database sessions stay bounded."""
    for each in seen.footprints:
        if each.resident_mb > RESIDENT_MB or each.sockets > SOCKETS:
            yield f"{each.process} holds {each.resident_mb:.0f} MB and {each.sockets} sockets"
    if seen.sessions > sum(SESSIONS[each.process] for each in seen.footprints):
        yield f"{len(seen.footprints)} processes hold {seen.sessions} sessions of the database"


def acknowledged_when_logged(seen: Evidence) -> Broken:
    """J: every acknowledged event was in the log by then."""
    logged: dict[UUID, float] = {}
    for record in seen.records:
        if (event_id := seen.ids[record.partition, record.offset]) is not None:
            logged[event_id] = min(record.timestamp / 1000, logged.get(event_id, float("inf")))
    acked = [event for event in seen.history.events.values() if event.acked is not None]
    yield from _named("acknowledged, but not in the log", [event.id for event in acked if event.id not in logged])
    early = [e.id for e in acked if e.acked is not None and logged.get(e.id, 0) > e.acked + _CLOCK_SECONDS]
    yield from _named("acknowledged before it stood in the log", early)
    if any(record.timestamp_type != _OF_THE_BROKER for record in seen.records):
        yield "records have the time of their client, which does not tell when they were appended"


PROMISES: Final[Mapping[str, Callable[[Evidence], Broken]]] = {
    "A": kept,
    "B": one_row_an_id,
    "C": nothing_invented,
    "D": order_of_users,
    "E": commits_follow_storing,
    "F": caught_up,
    "G": ended_in_time,
    "H": dead_letters_are_whole,
    "I": bounded,
    "J": acknowledged_when_logged,
}


class PromiseBroken(AssertionError):
    """What was seen contradicts promises; `promises` has their letters."""

    def __init__(self, broken: Mapping[str, list[str]]) -> None:
        self.promises = set(broken)
        lines = [f"{letter}: {text}" for letter, texts in broken.items() for text in texts[:_SHOWN]]
        super().__init__("\n".join(["promises were broken:", *lines]))


def check(seen: Evidence, promises: Iterable[str] = PROMISES) -> None:
    """Check promises by their letters. Raises `PromiseBroken` with all that are broken."""
    broken = {letter: texts for letter in promises if (texts := list(PROMISES[letter](seen)))}
    if broken:
        raise PromiseBroken(broken)


def _durable_since(seen: Evidence) -> dict[Place, float]:
    """Since when each record of the topic is stored or dead-lettered; infinity if it is not."""
    stored = {row.id: row.committed_at for row in seen.rows}
    dead_lettered: dict[Place | None, float] = {}
    for letter in seen.letters:
        # Since the first of them, where one record was dead-lettered again.
        dead_lettered[letter.origin] = min(
            letter.record.timestamp / 1000, dead_lettered.get(letter.origin, float("inf"))
        )
    since = {}
    for place, event_id in seen.ids.items():
        known = [dead_lettered.get(place), stored.get(event_id) if event_id else None]
        since[place] = min((time for time in known if time is not None), default=float("inf"))
    return since


def _fields(event: Event) -> tuple[str, str, float]:
    return event.user, event.event_type, datetime.fromisoformat(event.timestamp).timestamp()


def _named(what: str, ids: Iterable[object]) -> Broken:
    """Return which; some of them where there are many."""
    found = sorted(map(str, ids))
    if found:
        yield f"{len(found)} {what}: {', '.join(found[:_SHOWN])}{' …' if len(found) > _SHOWN else ''}"
