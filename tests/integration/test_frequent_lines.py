"""Lines that are rendered without the logger are those of the logger; in processes of their own, as for `test_logs`."""

import json
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = """
import asyncio
import os
import sys

import msgspec
import structlog

from entrypoints.processes.logs import configure_logging
from adapters.observability.frequent_lines import COMMON_FIELDS, PROCESS, FrequentLines

configure_logging(*sys.argv[1:])
PROCESS.name = "api"
structlog.contextvars.bind_contextvars(request_id="r-1")
lines = FrequentLines("requests")

Line = msgspec.defstruct("Line", ["event", "request_id", "path", "status", "duration_ms", "nothing", *COMMON_FIELDS])

def log_line():
    lines.info(Line("request", "r-1", "/ä%00", 201, 1.5, None, *lines.common()))

async def log():
    structlog.get_logger("requests").info("request", path="/ä%00", status=201, duration_ms=1.5, nothing=None)
    log_line()
    os.write(sys.stdout.fileno(), b"behind\\n")
    sys.stdout.close()
    log_line()
    print("alive", file=sys.stderr)

asyncio.run(log())
"""


def run(level: str, style: str) -> tuple[list[str], str]:
    """Run the script; return what it logged, and what it wrote to stderr."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, level, style], capture_output=True, text=True, timeout=60, check=True
    )
    return ended.stdout.splitlines(), ended.stderr


def test_line_is_the_loggers_own_but_for_the_time() -> None:
    """The same fields of the same types; the time is written alike."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in run("info", "json")[0][:2]]
    slow, fast = ({**line, "timestamp": len(line["timestamp"])} for line in lines)
    assert fast == slow
    assert (fast["process"], fast["request_id"]) == ("api", "r-1")


@pytest.mark.parametrize("style", ["json", "console"])
def test_level_silences_it(style: str) -> None:
    """As it does any other line of that level."""
    assert run("warning", style)[0] == ["behind"]


def test_console_style_is_for_people() -> None:
    """There it is an ordinary line."""
    slow, fast, _ = run("info", "console")[0]
    assert fast.split(maxsplit=1)[1] == slow.split(maxsplit=1)[1]


def test_line_is_out_at_once() -> None:
    """A crash takes no line."""
    *lines, last = run("info", "json")[0]
    assert (len(lines), last) == (2, "behind")


def test_log_that_cannot_be_written_is_no_error_of_the_request() -> None:
    """What made the line goes on."""
    assert run("info", "json")[1].splitlines()[-1] == "alive"
