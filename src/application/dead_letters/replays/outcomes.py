"""What became of replayed letters: stored, or on their way back."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from application.dead_letters.jobs import ReplayItem
from application.ports import Delivery, EventStore, Outcome
from domain.dead_letter import Failure
from domain.event import UserEvent


class _Published(NamedTuple):
    """A `Record`: what the log has of a replayed letter."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


async def stored_of(
    items: Sequence[ReplayItem], store: EventStore, read: Callable[[ReplayItem], UserEvent | Failure]
) -> Sequence[str]:
    """Name the letters whose events the table has.

    Of the others nothing is known: a failure is known by the dead letter alone, which the index will note.
    """
    read_items = [(item, read(item)) for item in items]
    events = [(item, event) for item, event in read_items if not isinstance(event, Failure)]
    outcomes = await store.check([Delivery(_record(item), event) for item, event in events])
    return [item.letter_id for (item, _), found in zip(events, outcomes, strict=True) if found is Outcome.DUPLICATE]


def waits_for(item: ReplayItem, committed: Mapping[int, int], group: str) -> str:
    """Say why there is no outcome of a published letter; `committed` are the offsets of the consumer group `group`."""
    place = f"partition {item.partition}, offset {item.offset}"
    position = committed.get(-1 if item.partition is None else item.partition)
    if position is not None and item.offset is not None and item.offset < position:
        return f"waiting for {item.letter_id} ({place}): it is not stored, and its next failure is not indexed yet"
    at = "has committed nothing there" if position is None else f"is at {position}"
    return f"waiting for {item.letter_id} ({place}): the consumer group {group} {at}"


def _record(item: ReplayItem) -> _Published:
    partition = -1 if item.partition is None else item.partition
    offset = -1 if item.offset is None else item.offset
    return _Published("", partition, offset, -1, item.key, item.value, item.headers)
