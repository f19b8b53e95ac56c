"""The consumer's log: a line for each event, with the time at which its outcome was durable."""

import json
import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

STORED = b'"event stored"'
DUPLICATE = b'"event is a duplicate"'

_CHUNK_BYTES = 4 * 1024 * 1024
_TAIL_BYTES = 64 * 1024
_BATCHES_APART_SECONDS = 0.002
"""Lines of one batch are closer together; the next batch has to be stored first."""


class EventLines:
    """Counts the event lines of a growing file; each look reads only new lines."""

    def __init__(self, log: Path) -> None:
        self.stored = 0
        self.duplicates = 0
        self._log = log
        self._at = 0

    def look(self) -> int:
        """Count the new lines; return the count of all."""
        with self._log.open("rb") as file:
            file.seek(self._at)
            while chunk := file.read(_CHUNK_BYTES):
                complete = chunk[: chunk.rfind(b"\n") + 1]
                self._at += len(complete)
                self.stored += complete.count(STORED)
                self.duplicates += complete.count(DUPLICATE)
                if len(chunk) < _CHUNK_BYTES:
                    break
                file.seek(self._at)
        return self.stored + self.duplicates


class Span(NamedTuple):
    """The size of the first batch, when it was durable, and when the last batch was."""

    first_batch: int
    first: float
    last: float


def span(log: Path) -> Span:
    """Read the head and the tail of a finished log."""
    with log.open("rb") as file:
        batch = list(first_batch(_moments(file)))
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        last = max(_moments(file.read().splitlines()[1:]))
    return Span(len(batch), batch[0], last)


def first_batch(moments: Iterable[float]) -> Iterator[float]:
    """Yield the times up to the first gap."""
    latest = None
    for moment in moments:
        if latest is not None and moment - latest > _BATCHES_APART_SECONDS:
            return
        yield moment
        latest = moment


def stored_moments(log: Path) -> Iterator[tuple[str, float]]:
    """Yield each stored event's id, and when it was stored."""
    with log.open("rb") as file:
        for line in file:
            if STORED in line:
                fields = json.loads(line)
                yield fields["eventId"], _seconds(fields["timestamp"])


def _moments(lines: Iterable[bytes]) -> Iterator[float]:
    return (_seconds(json.loads(line)["timestamp"]) for line in lines if STORED in line or DUPLICATE in line)


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
