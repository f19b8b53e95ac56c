"""Log lines by the batch: written with one call, since a call for each costs more than the event that it tells of."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from structlog.contextvars import get_contextvars

_encoder = msgspec.json.Encoder()


class Lines:
    """The message of a log record that stands for many lines; a formatter that does not know of it prints JSON.

    Each line states its own fields, `event`, `logger`, `level` and `timestamp` among them; what is bound to the context
    is added to all of them.
    """

    def __init__(self, lines: Sequence[msgspec.Struct]) -> None:
        self._lines = lines
        self._context = get_contextvars()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return ({**self._context, **msgspec.to_builtins(line)} for line in self._lines)

    def __str__(self) -> str:
        text = _encoder.encode_lines(self._lines).decode().rstrip("\n")
        if not self._context:
            return text
        # A line break within a text is escaped: these are all between lines.
        beginning = json.dumps(self._context, default=repr, separators=(",", ":")).removesuffix("}") + ","
        return beginning + text.removeprefix("{").replace("\n{", f"\n{beginning}")


def now() -> str:
    """Tell the time as every line does."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
