"""Log lines that come with every request or event, for a fraction of what the logger takes to make one."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple, TextIO

import msgspec
import structlog
from structlog.contextvars import get_contextvars
from structlog.processors import JSONRenderer
from structlog.stdlib import ProcessorFormatter

_LINES_A_WRITE = 500
"""As many as fit a processor's cache; more cost more."""

_encoder = msgspec.json.Encoder()
_root = logging.getLogger()


class Common(NamedTuple):
    """What the lines of a moment have in common; the last fields of each."""

    process: str | msgspec.UnsetType
    logger: str
    level: str
    timestamp: datetime


class FrequentLines:
    """A logger's lines at level info; where lines are JSON they are rendered here, with the fields that all have.

    Texts in them have no lone surrogates.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
        self._level = logging.getLogger(name)
        self._waiting: list[Mapping[str, object]] = []
        """Single lines of this turn of the event loop."""

    @property
    def are_wanted(self) -> bool:
        """Whether the level lets them through."""
        return self._level.isEnabledFor(logging.INFO)

    def info(self, event: str, **fields: str | float | None) -> None:
        """Log one line, with what is bound to the context; the lines of one turn of the event loop are one write."""
        handler = _json_handler()
        if handler is None:
            self._logger.info(event, **fields)
        elif self._level.isEnabledFor(logging.INFO):
            line = {
                "event": event,
                **get_contextvars(),
                **fields,
                "logger": self._name,
                "level": "info",
                "timestamp": datetime.now(UTC),
            }
            self._waiting.append(line)
            if len(self._waiting) == 1:
                asyncio.get_running_loop().call_soon(self._write_waiting, handler)

    def common(self) -> Common:
        """Tell what the lines of this moment have in common."""
        return Common(get_contextvars().get("process", msgspec.UNSET), self._name, "info", datetime.now(UTC))

    def info_many(self, lines: Iterator[msgspec.Struct]) -> None:
        """Log lines that each have all fields: its own, among them `event`, and those of `Common`.

        They are made and written by portions in the next turns of the event loop, between which others work.
        """
        handler = _json_handler()
        if handler is not None:
            self._write_portion(handler, lines)
            return
        for line in lines:
            self._log(line)

    def _write_portion(self, handler: logging.StreamHandler[TextIO], lines: Iterator[msgspec.Struct]) -> None:
        if portion := list(islice(lines, _LINES_A_WRITE)):
            _write(handler, _encoder.encode_lines(portion).decode())
            asyncio.get_running_loop().call_soon(self._write_portion, handler, lines)

    def _write_waiting(self, handler: logging.StreamHandler[TextIO]) -> None:
        lines, self._waiting = self._waiting, []
        _write(handler, _encoder.encode_lines(lines).decode())

    def _log(self, line: msgspec.Struct) -> None:
        fields = msgspec.to_builtins(line)
        own = {name: value for name, value in fields.items() if name not in Common._fields}
        self._logger.info(own.pop("event"), **own)


def _write(handler: logging.StreamHandler[TextIO], text: str) -> None:
    """Write lines; where they cannot be written other lines tell of it, and the work goes on."""
    with handler.lock or nullcontext(), suppress(OSError, ValueError):
        handler.stream.write(text)
        handler.flush()


def _json_handler() -> logging.StreamHandler[TextIO] | None:
    """Find where JSON lines go."""
    for handler in _root.handlers:
        formatter = handler.formatter
        if (
            isinstance(handler, logging.StreamHandler)
            and isinstance(formatter, ProcessorFormatter)
            and isinstance(formatter.processors[-1], JSONRenderer)
        ):
            return handler
    return None
