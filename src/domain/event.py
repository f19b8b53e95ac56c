"""The user activity event."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.event_types import EventType


class UserEvent(NamedTuple):
    """One activity of one user; made only by `EventRules`, so whoever holds one holds a storable event.

    `occurred_at` is aware and in UTC; None where nobody has stated a time that a calendar holds. `payload` is a JSON
    object in UTF-8, byte for byte as the client sent it.
    """

    id: UUID
    user_id: str
    event_type: EventType
    occurred_at: datetime | None
    payload: bytes
