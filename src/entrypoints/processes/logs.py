"""Structured logs: JSON lines, or text on a terminal."""

import json
import logging
import os
import sys
from collections import Counter
from functools import partial
from io import StringIO, TextIOWrapper
from typing import Any, Literal, TextIO

import msgspec
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from adapters.escapes import escape, escape_json
from adapters.observability.frequent_lines import PROCESS

Style = Literal["auto", "json", "console"]

_QUIET = ("alembic", "asyncpg", "sqlalchemy", "uvicorn")
"""Libraries whose INFO lines repeat our own."""
_CAPPED = ("aiokafka",)
"""Libraries that log keys and values at DEBUG, and repeat a line many times a second during an outage."""
_REPEAT_SECONDS = 10.0
_PROGRAM = "user-events"


def configure_logging(level: str, style: Style, stream: TextIO | None = None, *, program: str = _PROGRAM) -> None:
    """Send our own logs and those of libraries through one formatter to `stream`, which is stdout by default.

    `program` is the command `user-events` as it is called on this machine, for lines that name a command to run.
    """
    stream = stream or sys.stdout
    if isinstance(stream, TextIOWrapper):
        # A lone surrogate has no UTF-8; the line would be lost.
        stream.reconfigure(errors="backslashreplace")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _name_process,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if program != _PROGRAM:
        shared.append(partial(_name_program, program))
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderers = [ProcessorFormatter.remove_processors_meta, *_renderers(style, is_terminal=stream.isatty())]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(ProcessorFormatter(foreign_pre_chain=shared, processors=renderers))
    handler.addFilter(_RepeatFilter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in _CAPPED:
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    logging.captureWarnings(capture=True)


def _renderers(style: Style, *, is_terminal: bool) -> list[Processor]:
    # By default both renderers print the local variables of a traceback: passwords, payloads.
    if style == "console" or (style == "auto" and is_terminal):
        # See https://no-color.org. Files get no colours either.
        colors = is_terminal and not os.environ.get("NO_COLOR")
        return [_escape_texts, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=_print_traceback)]
    return [
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
        structlog.processors.JSONRenderer(_json, ensure_ascii=False, separators=(",", ":")),
    ]


def _name_process(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    if PROCESS.name is not msgspec.UNSET:
        event_dict["process"] = PROCESS.name
    return event_dict


def _name_program(program: str, _logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    ours, here = f"`{_PROGRAM} ", f"`{program} "
    return {name: value.replace(ours, here) if isinstance(value, str) else value for name, value in event_dict.items()}


def _json(line: EventDict, **options: Any) -> str:
    return escape_json(json.dumps(line, **options))


def _escape_texts(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Escape control characters of clients, which a terminal would obey; values other than texts are escaped anyway."""
    return {name: escape(value) if isinstance(value, str) else value for name, value in event_dict.items()}


def _print_traceback(output: TextIO, exc_info: ExcInfo) -> None:
    text = StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    output.write(escape(text.getvalue()))


class _RepeatFilter(logging.Filter):
    """Passes a repeated line of a library once in ten seconds, with the number of those it dropped."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], float] = {}
        self._dropped: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_CAPPED) or record.levelno < logging.WARNING:
            return True
        kind = (record.name, str(record.msg))
        if record.created - self._last.get(kind, 0.0) < _REPEAT_SECONDS:
            self._dropped[kind] += 1
            return False
        self._last[kind] = record.created
        if dropped := self._dropped.pop(kind, 0):
            record.msg = f"{record.msg} (and {dropped} more like it)"
        return True
