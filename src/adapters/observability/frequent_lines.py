"""Log lines that come with every request or event, for a fraction of what the logger takes to make one."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from itertools import islice
from typing import TextIO

import msgspec
import structlog
from structlog.processors import JSONRenderer
from structlog.stdlib import ProcessorFormatter

from adapters.escapes import escape_json


class Process:
    """Which process of the service logs: for all of it the same, whatever the context."""

    name: str | msgspec.UnsetType = msgspec.UNSET


PROCESS = Process()

COMMON_FIELDS = ("process", "logger", "level", "timestamp")
Common = tuple[str | msgspec.UnsetType, str, str, datetime]
"""What the lines of a moment have in common: the values of `COMMON_FIELDS`."""

_LINES_A_WRITE = 500
"""As many as fit a processor's cache; more cost more."""

_encoder = msgspec.json.Encoder()
_root = logging.getLogger()


class FrequentLines:
    """A logger's lines at level info; where lines are JSON they are rendered here.

    A line has all its fields: its own, among them `event` and what is bound to the context, and `COMMON_FIELDS`.
    Texts have no lone surrogates.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
        self._level = logging.getLogger(name)

    @property
    def are_wanted(self) -> bool:
        """Whether the level lets them through."""
        return self._level.isEnabledFor(logging.INFO)

    def common(self) -> Common:
        """Tell what the lines of this moment have in common."""
        return PROCESS.name, self._name, "info", datetime.now(UTC)

    def info(self, line: msgspec.Struct) -> None:
        """Log one line."""
        if (handler := _json_handler()) is None:
            self._log(line)
        elif self.are_wanted:
            _write(handler, [line])

    def info_many(self, lines: Iterator[msgspec.Struct]) -> None:
        """Log lines that are made and written by portions in the next turns of the event loop.

        Others work in between.
        """
        handler = _json_handler()
        if handler is not None:
            self._write_portion(handler, lines)
            return
        for line in lines:
            self._log(line)

    def _write_portion(self, handler: logging.StreamHandler[TextIO], lines: Iterator[msgspec.Struct]) -> None:
        if portion := list(islice(lines, _LINES_A_WRITE)):
            _write(handler, portion)
            asyncio.get_running_loop().call_soon(self._write_portion, handler, lines)

    def _log(self, line: msgspec.Struct) -> None:
        fields = msgspec.to_builtins(line)
        own = {name: value for name, value in fields.items() if name not in COMMON_FIELDS}
        self._logger.info(own.pop("event"), **own)


def _write(handler: logging.StreamHandler[TextIO], lines: Sequence[msgspec.Struct]) -> None:
    """Write lines; where they cannot be written other lines tell of it, and the work goes on."""
    text = _encoder.encode_lines(lines).decode()
    with handler.lock or nullcontext(), suppress(OSError, ValueError):
        handler.stream.write(escape_json(text))
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
