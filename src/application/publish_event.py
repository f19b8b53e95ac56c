"""Publish events that clients report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from application.event_loop import in_turns
from application.ports import EventPublisher, Receipt
from domain.errors import Rejected, Unavailable, WrongDeployment
from domain.event import UserEvent
from domain.validation import EventRules, Invalid


# Drafts and outcomes are not frozen: each event needs one of both, and a frozen one takes four times as long to make.
@dataclass(slots=True)
class Draft:
    """An event as a client states it, unchecked; None where the client left a field out.

    `payload` is the bytes of one JSON value, see `EventRules.validate`.
    """

    user_id: object
    event_type: object
    payload: bytes | None = None
    event_id: object = None
    timestamp: object = None


@dataclass(slots=True)
class Published:
    """The log has the event."""

    event_id: UUID
    receipt: Receipt


@dataclass(slots=True)
class NotPublished:
    """The event is valid, but the log did not take it or did not say so; `event_id` is the one to retry with."""

    event_id: UUID
    cause: Rejected | Unavailable

    @property
    def is_unknown(self) -> bool:
        """Whether the log may have the event all the same: to be published again under its id."""
        return isinstance(self.cause, Unavailable)


class PublishEvent:
    """Validates drafts, completes them with an id and a time, and publishes what is valid in one call."""

    def __init__(
        self,
        rules: EventRules,
        publisher: EventPublisher,
        new_id: Callable[[], UUID],
        clock: Callable[[], datetime],
    ) -> None:
        self._rules = rules
        self._publisher = publisher
        self._new_id = new_id
        self._clock = clock

    async def __call__(
        self, drafts: Sequence[Draft], traceparent: bytes | None = None
    ) -> list[Published | NotPublished | Invalid]:
        """Publish `drafts`; one outcome each, in order. A 2xx answer needs `Published`: the log's own word.

        `traceparent` (W3C Trace Context) is the trace that they belong to.
        """
        now = self._clock()
        checked = await in_turns(partial(self._check, now), drafts, _size_of)
        events = [event for event in checked if isinstance(event, UserEvent)]
        outcomes: Sequence[Receipt | Rejected | Unavailable] = ()
        try:
            if events:
                outcomes = await self._publisher.publish(events, traceparent)
        except (Unavailable, WrongDeployment) as error:
            # Told by event, so that each client hears the id to retry with; anew, as above.
            outcomes = [Unavailable(str(error))] * len(events)
        following = iter(outcomes)
        return [_outcome(event, next(following)) if isinstance(event, UserEvent) else event for event in checked]

    def _check(self, now: datetime, draft: Draft) -> UserEvent | Invalid:
        try:
            return self._rules.validate(
                self._new_id() if draft.event_id is None else draft.event_id,
                draft.user_id,
                draft.event_type,
                now if draft.timestamp is None else draft.timestamp,
                b"{}" if draft.payload is None else draft.payload,
            )
        except Invalid as invalid:
            # Anew: this one's traceback leads back here, and both would stay until the collector of garbage comes.
            return Invalid(*invalid.problems)


def _size_of(draft: Draft) -> int:
    return len(draft.payload or b"")


def _outcome(event: UserEvent, outcome: Receipt | Rejected | Unavailable) -> Published | NotPublished:
    if isinstance(outcome, Receipt):
        return Published(event.id, outcome)
    return NotPublished(event.id, outcome)
