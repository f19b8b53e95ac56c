"""Tells of payloads that break their schema but are accepted (`x-on-violation: accept`), in few lines."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock, Timer
from typing import NamedTuple

import structlog

from domain.event_types import EventType
from domain.payload_schema import Violation

_INTERVAL_SECONDS = 10.0
_MAX_KINDS = 100

logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _Kind(NamedTuple):
    event_type: str
    keyword: str
    pointer: str


class AcceptedViolations:
    """Counts violations by type, keyword and pointer; call it with those of one event, from any thread.

    The first one is logged at once, later ones together every `interval` seconds: one line for each of up to
    `max_kinds` kinds, and one for all others, since the names of members are the client's. In a pointer `*` stands for
    the index of an item.
    """

    def __init__(self, interval: float = _INTERVAL_SECONDS, max_kinds: int = _MAX_KINDS) -> None:
        self._interval = interval
        self._max_kinds = max_kinds
        self._counts: Counter[_Kind] = Counter()
        self._others = 0
        self._timer: Timer | None = None
        self._lock = Lock()

    def __call__(self, event_type: EventType, violations: Sequence[Violation]) -> None:
        kinds = {_Kind(event_type, violation.keyword, violation.place) for violation in violations}
        with self._lock:
            for kind in kinds:
                if kind in self._counts or len(self._counts) < self._max_kinds:
                    self._counts[kind] += 1
                else:
                    self._others += 1
            is_first = self._timer is None
        if is_first:
            self._tell()

    def close(self) -> None:
        """Log what is not logged yet."""
        self._tell()
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def _tell(self) -> None:
        """Log the counts, and come again as long as there are any."""
        with self._lock:
            counts, others = self._counts, self._others
            self._counts, self._others = Counter(), 0
            self._timer = Timer(self._interval, self._tell) if counts else None
            if self._timer is not None:
                self._timer.daemon = True
                self._timer.start()
        for kind, events in counts.most_common():
            logger.warning("payloads break their schema and are accepted", **_fields(kind), events=events)
        if others:
            logger.warning("payloads break their schema and are accepted", kinds="others", violations=others)


@contextmanager
def counted_violations() -> Iterator[AcceptedViolations]:
    """Make the counts of a process, and log the last ones in the end."""
    counts = AcceptedViolations()
    try:
        yield counts
    finally:
        counts.close()


def _fields(kind: _Kind) -> dict[str, str]:
    return {"eventType": kind.event_type, "keyword": kind.keyword, "pointer": kind.pointer}
