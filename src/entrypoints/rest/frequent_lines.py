"""Log lines that come with every request, for a fifth of what the logger takes to make one."""

import logging
from datetime import UTC, datetime
from typing import TextIO

import msgspec
import structlog
from structlog.processors import JSONRenderer
from structlog.stdlib import ProcessorFormatter

_encoder = msgspec.json.Encoder()


class FrequentLines:
    """A logger's lines at level info; where lines are JSON they are rendered here, with the fields that all have."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
        self._level = logging.getLogger(name)

    def info(self, event: str, **fields: str | float | None) -> None:
        """Log what all lines of the context have, and `fields`, whose texts have no lone surrogates."""
        handler = _json_handler()
        if handler is None:
            self._logger.info(event, **fields)
        elif self._level.isEnabledFor(logging.INFO):
            line = {
                "event": event,
                **structlog.contextvars.get_contextvars(),
                **fields,
                "logger": self._name,
                "level": "info",
                "timestamp": datetime.now(UTC),
            }
            handler.acquire()
            try:
                handler.stream.write(_encoder.encode(line).decode() + "\n")
                handler.flush()
            except (OSError, ValueError):
                # The logger knows what to do when nothing can be written.
                self._logger.info(event, **fields)
            finally:
                handler.release()


def _json_handler() -> logging.StreamHandler[TextIO] | None:
    """Find where JSON lines go."""
    for handler in logging.getLogger().handlers:
        formatter = handler.formatter
        if (
            isinstance(handler, logging.StreamHandler)
            and isinstance(formatter, ProcessorFormatter)
            and isinstance(formatter.processors[-1], JSONRenderer)
        ):
            return handler
    return None
