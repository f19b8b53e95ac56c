"""The consumer's log: a line for each event, with the moment when its fate was durable."""

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
"""Lines of one batch follow each other faster than that; the next batch has to be stored first."""


class EventLines:
    """Counts a growing file's event lines; each look reads what is new."""

    def __init__(self, log: Path) -> None:
        self.stored = 0
        self.duplicates = 0
        self._log = log
        self._at = 0

    def look(self) -> int:
        """Count on, and tell how many there are by now."""
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
    """When the first batch was durable, how many events it had, and when the last one was."""

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
    """Take the moments up to the first gap."""
    latest = None
    for moment in moments:
        if latest is not None and moment - latest > _BATCHES_APART_SECONDS:
            return
        yield moment
        latest = moment


def stored_moments(log: Path) -> Iterator[tuple[str, float]]:
    """Read each stored event's id, and when it was."""
    with log.open("rb") as file:
        for line in file:
            if STORED in line:
                fields = json.loads(line)
                yield fields["eventId"], _seconds(fields["timestamp"])


def _moments(lines: Iterable[bytes]) -> Iterator[float]:
    return (_seconds(json.loads(line)["timestamp"]) for line in lines if STORED in line or DUPLICATE in line)


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
