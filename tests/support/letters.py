"""Examples: records of the DLQ as the index takes them."""

from datetime import timedelta
from uuid import UUID

from adapters.records import codec
from application.dead_letters.letters import LetterOrigin, ReadLetter
from application.dead_letters.orders import Action, NewEntry, Order
from domain.dead_letter import FailureKind
from tests.support.events import NOON, an_event

REPLAY = Order(Action.REPLAY, "mended")
DISCARD = Order(Action.DISCARD, "not ours")
RESTORE = Order(Action.RESTORE, "ours after all")


def a_letter(
    number: int,
    *,
    replays: int = 0,
    edit: int = 0,
    kind: str = FailureKind.REJECTED,
    fingerprint: str = "f",
    value: bytes | None = None,
    topic: str = "events",
    message: str = "refused",
) -> ReadLetter:
    """Make the letter of offset `number`, as it failed `replays` minutes after the first time.

    Its event has an id that follows from `number`, unless another value is given.
    """
    return ReadLetter(
        id=f"0-{number}",
        origin=LetterOrigin(topic, 0, number, int(NOON.timestamp() * 1000)),
        dlq_partition=0,
        dlq_offset=number + 1_000_000 * replays,
        kind=kind,
        error_class="Refused",
        message=message,
        sqlstate=None,
        fingerprint=fingerprint,
        event_id=UUID(int=number),
        user_id="user-1",
        event_type="LOGIN",
        attempts=1,
        replays=replays,
        edit=edit,
        first_failed_at=NOON + timedelta(seconds=number),
        failed_at=NOON + timedelta(seconds=number, minutes=replays),
        key=b"user-1",
        value=codec.encode(an_event(event_id=UUID(int=number))) if value is None else value,
        headers=[("content-type", b"application/json"), ("none", None)],
    )


def an_entry(order: Order, who: str = "api") -> NewEntry:
    """Make the audit log's entry about an order."""
    return NewEntry(who, order.action, {"kind": "rejected"}, order.reason)
