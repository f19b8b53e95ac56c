"""A bound on the records that wait for a log's acknowledgement."""

from collections.abc import Sequence

from domain.errors import Unavailable


class InFlight:
    """Counts the records that were handed over and have neither been acknowledged nor refused.

    A record whose sender waits no longer still counts: it takes memory for as long as the log's client holds it.
    """

    def __init__(self, max_events: int = 10_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._events = 0
        self._bytes = 0

    def add(self, sizes: Sequence[int]) -> None:
        """Let the records of a call in, all or none; raises `Unavailable` for one that does not fit.

        A call that comes alone fits however large it is: it would otherwise be refused for ever.
        """
        events, size = self._events + len(sizes), self._bytes + sum(sizes)
        if self._events and (events > self._max_events or size > self._max_bytes):
            raise Unavailable(f"not sent: {self._events} events of {self._bytes} bytes wait for the log already")
        self._events, self._bytes = events, size

    def remove(self, size: int, events: int = 1) -> None:
        """Let records out, one or several of this size together."""
        self._events -= events
        self._bytes -= size


def size_of(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> int:
    """Measure a record in bytes, without what its frame takes."""
    size = len(key or b"") + len(value or b"")
    for name, content in headers:
        size += len(name.encode()) + len(content or b"")
    return size
