"""Tells of payloads that break their schema but are accepted (`x-on-violation: accept`), in few lines."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from threading import Lock, Timer
from typing import Final, NamedTuple

import structlog

from domain.event_types import EventType
from domain.payload_schema import Violation

_INTERVAL_SECONDS = 10.0
_MAX_KINDS = 100

REQUEST_FIELD: Final = "accepted_violations"
request_fields: ContextVar[dict[str, int]] = ContextVar("request_fields")
"""Fields of the line that the current request will have in the log: its events are counted there, too."""

logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _Kind(NamedTuple):
    """The pointer is the place of a violation."""

    event_type: str
    keyword: str
    pointer: str


class AcceptedViolations:
    """Counts events by type, keyword and pointer of a violation; call it with those of one event, from any thread.

    The first event is logged at once, later ones together every `interval` seconds: a line for each of `max_kinds`
    kinds and one for all others, since a schema may have many. Each event also counts in `request_fields`.
    """

    def __init__(self, interval: float = _INTERVAL_SECONDS, max_kinds: int = _MAX_KINDS) -> None:
        self._interval = interval
        self._max_kinds = max_kinds
        self._events: Counter[_Kind | None] = Counter()
        """By kind, None for all others."""
        self._timer: Timer | None = None
        self._lock = Lock()

    def __call__(self, event_type: EventType, violations: Sequence[Violation]) -> None:
        fields = request_fields.get({})
        fields[REQUEST_FIELD] = fields.get(REQUEST_FIELD, 0) + 1
        kinds = {_Kind(event_type, violation.keyword, violation.place) for violation in violations}
        with self._lock:
            known = {kind for kind in kinds if kind in self._events}
            known.update(islice(kinds - known, max(self._max_kinds - len(self._events), 0)))
            self._events.update(known)
            if known < kinds:
                self._events[None] += 1
            events = self._take() if self._timer is None else Counter[_Kind | None]()
        _log(events)

    def close(self) -> None:
        """Log what is not logged yet."""
        with self._lock:
            events = self._take()
            if self._timer is not None:
                self._timer.cancel()
        _log(events)

    def _tell(self) -> None:
        with self._lock:
            events = self._take()
        _log(events)

    def _take(self) -> Counter[_Kind | None]:
        """Take the counts, and come again for later ones; until none come."""
        events, self._events = self._events, Counter()
        self._timer = None
        if events:
            self._timer = Timer(self._interval, self._tell)
            self._timer.daemon = True
            self._timer.start()
        return events


@contextmanager
def counted_violations() -> Iterator[AcceptedViolations]:
    """Count the violations of a process, and log the last ones in the end."""
    counts = AcceptedViolations()
    try:
        yield counts
    finally:
        counts.close()


def _log(events: Counter[_Kind | None]) -> None:
    for kind, count in events.most_common():
        about = {"kinds": "all others"}
        if kind is not None:
            about = {"eventType": kind.event_type, "keyword": kind.keyword, "pointer": kind.pointer}
        logger.warning("payloads break their schema and are accepted", **about, events=count)
