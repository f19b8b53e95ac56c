"""Log lines by the batch: written with one call, since a call for each costs more than the event that it tells of."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()


class Lines:
    """The message of a log record that stands for many lines; a formatter that does not know of it prints JSON.

    Each line states all its fields: `event`, `logger`, `level`, `timestamp`, and what is bound to the context.
    """

    def __init__(self, lines: Sequence[msgspec.Struct]) -> None:
        self._lines = lines

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(msgspec.to_builtins, self._lines)

    def __str__(self) -> str:
        return _encoder.encode_lines(self._lines).decode().rstrip("\n")


def now() -> str:
    """Tell the time as every line does."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
