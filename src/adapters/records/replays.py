"""Replays: dead letters as records of the events' topic again."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC
from typing import NamedTuple, TypeVar
from uuid import UUID, uuid5

from adapters.in_flight import size_of
from adapters.records import codec, dlq_headers, first_delivery
from adapters.records.log_record import LogRecord
from application.dead_letters.jobs import ReplayItem
from domain.dead_letter import Failure, Record
from domain.errors import Unavailable
from domain.event import UserEvent

_NEW_IDS = UUID("2f6c1c0e-6c0b-5c55-9a1e-0f2f5f6f8c11")
"""The namespace of the ids that replays give to events."""
_NO_TIMESTAMP = -1
_CHUNK_BYTES = 8 * 1024 * 1024
_OutcomeT = TypeVar("_OutcomeT")


class Replay(NamedTuple):
    """What is to be appended to the log."""

    key: bytes | None
    value: bytes | None
    headers: codec.Headers


def render(item: ReplayItem) -> Replay:
    """Render a letter for its next try: its own headers, and those by which its next failure finds it again.

    The number of headers is the same for every replay.
    """
    return Replay(item.key, _value(item), [*item.headers, *_headers(item)])


async def published(
    items: Sequence[ReplayItem], append: Callable[[Sequence[Replay]], Awaitable[Sequence[_OutcomeT]]]
) -> Sequence[_OutcomeT | Unavailable]:
    """Append letters, some bytes at a time, as a log takes only so many at once; return one outcome each, in order.

    Once the outcome of one is unknown, nothing of the rest is sent, lest an event overtakes one of the same user.
    """
    outcomes: list[_OutcomeT | Unavailable] = []
    chunk: list[Replay] = []
    size = 0
    for place, replay in enumerate(map(render, items), start=1):
        chunk.append(replay)
        size += size_of(*replay)
        if size >= _CHUNK_BYTES or place == len(items):
            told = await append(chunk)
            outcomes += told
            chunk, size = [], 0
            if any(isinstance(each, Unavailable) for each in told):
                break
    return [*outcomes, *(Unavailable("not sent: the one before it may not be") for _ in items[len(outcomes) :])]


def reader(decode: Callable[[Record], UserEvent | Failure]) -> Callable[[ReplayItem], UserEvent | Failure]:
    """Make the function that reads the event that a replay publishes, as the consumer's `decode` will.

    An event without a time gets that of the letter's origin.
    """

    def read(item: ReplayItem) -> UserEvent | Failure:
        key, value, headers = render(item)
        topic, timestamp = ("", _NO_TIMESTAMP) if item.origin is None else (item.origin.topic, item.origin.timestamp)
        # Where the log has it does not matter to its content.
        return decode(LogRecord(topic, item.partition or 0, item.offset or 0, timestamp, key, value, headers))

    return read


def new_event_id(letter_id: str, number: int) -> UUID:
    """Choose the id of an event that gets a new one: the same each time that this replay is published."""
    return uuid5(_NEW_IDS, f"{letter_id}/{number}")


def _value(item: ReplayItem) -> bytes | None:
    if item.value is None or not item.needs_new_id:
        return item.value
    return codec.with_event_id(item.value, new_event_id(item.letter_id, item.number))


def _headers(item: ReplayItem) -> list[tuple[str, bytes]]:
    origin = item.origin
    edit = [(dlq_headers.EDIT, b"%d" % item.edit)] if item.edit else []
    # Of a topic that was made anew, the origin may be another letter's as well.
    if origin is None or item.letter_id != f"{origin.partition}-{origin.offset}":
        return [(dlq_headers.REPLAY_OF, f"{item.letter_id}/{item.number}".encode()), *edit]
    return [
        *dlq_headers.origin_headers(*origin).items(),
        (first_delivery.FIRST_FAILED_AT, codec.render_time(item.first_failed_at.astimezone(UTC)).encode()),
        (first_delivery.REPLAYS, b"%d" % item.number),
        *edit,
    ]
