"""What a process writes to its log, line by line; run in processes of their own, as logging is the whole process's."""

import json
import logging
import os
import pty
import subprocess
import sys
from contextlib import suppress
from functools import cache
from typing import Any

import pytest

from entrypoints.processes import logs

SCRIPT = """
import asyncio
import logging
import sys
import warnings

import structlog

from adapters.observability.frequent_lines import PROCESS
from adapters.observability.logged_ports import LoggedDeadLetterQueue, LoggedEventStore
from adapters.memory import MemoryDeadLetterQueue, MemoryEventStore, MemoryLog
from domain.dead_letter import DeadLetter, Failure, FailureKind
from entrypoints.processes.logs import configure_logging
from tests.support.events import NOON, a_record, an_event, delivered

configure_logging(*sys.argv[1:])
own = structlog.stdlib.get_logger("own")
foreign = logging.getLogger("foreign")
with structlog.contextvars.bound_contextvars(request_id="r-1"):
    own.info("own line", number=1, text="ä")
    foreign.info("foreign %s", "line", extra=dict(topic="events"))
foreign.debug("foreign detail")
for name in ("alembic.runtime.migration", "asyncpg", "sqlalchemy.engine", "uvicorn.error", "aiokafka.consumer"):
    for level in ("debug", "info", "warning"):
        getattr(logging.getLogger(name), level)("%s says %s", name, level)
warnings.warn("deprecated")

def fail():
    payload = "s3cret"
    try:
        {}[len(payload)]
    except KeyError as error:
        raise ValueError("wrong") from error

try:
    fail()
except ValueError:
    own.error("own error", exc_info=True)
    foreign.exception("foreign error")

hostile = "\\x1b]0;owned\\x07\\x7f\\x9b\\u202e\\u2028\\u2029\\U000e0001\\ud800"
own.warning("hostile value", text=hostile)
foreign.warning("hostile message %s", hostile)
own.error("hostile error", exc_info=ValueError(hostile))

event = an_event("jörg", b'{"secret":"s3cret"}')
store = LoggedEventStore(MemoryEventStore(lambda: NOON))
letters = LoggedDeadLetterQueue(MemoryDeadLetterQueue(MemoryLog(), "dlq"))
failure = Failure(FailureKind.INVALID, "eventId: must be a UUID", "Invalid")
record = a_record(b"s3cret", partition=2, offset=9, headers=(("h", b"s3cret"),))

async def use_ports():
    PROCESS.name = "consumer"
    await store.add(delivered(event, event, an_event("other", b"{}", event_id=event.id)))
    await store.add(delivered(an_event(hostile[:-1], b"{}")))
    await letters.send([DeadLetter(record, failure, 1, NOON, NOON, each) for each in (event.id, None)])

asyncio.run(use_ports())
"""


@cache
def run(style: str, level: str = "info") -> str:
    """Run the script, once for each way; return what it wrote to stdout."""
    command = [sys.executable, "-c", SCRIPT, level, style]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    return ended.stdout


@pytest.fixture(scope="module")
def output() -> str:
    """The log in JSON."""
    return run("json")


@pytest.fixture(scope="module")
def lines(output: str) -> dict[str, dict[str, Any]]:
    """Each line, by what it says; the first where several say the same."""
    parsed = [json.loads(line) for line in output.splitlines()]
    return {line["event"]: line for line in reversed(parsed)}


def test_own_line_has_level_logger_time_and_fields(lines: dict[str, dict[str, Any]]) -> None:
    """And what the context knows: the request it belongs to."""
    line = lines["own line"]
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "own line",
        "level": "info",
        "logger": "own",
        "number": 1,
        "text": "ä",
        "request_id": "r-1",
    }


def test_line_of_a_library_has_the_same_shape(lines: dict[str, dict[str, Any]]) -> None:
    """Its message is rendered, its extra fields and the context are keys of the line."""
    line = lines["foreign line"]
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "foreign line",
        "level": "info",
        "logger": "foreign",
        "topic": "events",
        "request_id": "r-1",
    }


def test_text_stays_readable(output: str) -> None:
    """Letters beyond ASCII are not escaped."""
    assert '"ä"' in output


def test_context_ends_with_its_request(lines: dict[str, dict[str, Any]]) -> None:
    """Later lines are not its own."""
    assert "request_id" not in lines["own error"]


def test_warnings_of_python_are_lines(lines: dict[str, dict[str, Any]]) -> None:
    """Nothing goes to stderr unformatted."""
    [warning] = [line for text, line in lines.items() if "deprecated" in text]
    assert (warning["level"], warning["logger"]) == ("warning", "py.warnings")


def test_libraries_are_quiet_below_warnings(lines: dict[str, dict[str, Any]]) -> None:
    """Our own lines say what theirs at info would, except for the Kafka client's."""
    told = {text for text in lines if " says " in text}
    assert told == {
        "alembic.runtime.migration says warning",
        "asyncpg says warning",
        "sqlalchemy.engine says warning",
        "uvicorn.error says warning",
        "aiokafka.consumer says warning",
        "aiokafka.consumer says info",
    }


def test_kafka_client_never_logs_in_detail() -> None:
    """It would print keys and values; the others' details can be asked for."""
    output = run("json", "debug")
    assert "foreign detail" in output
    assert "aiokafka.consumer says info" in output
    assert "aiokafka.consumer says debug" not in output
    assert "sqlalchemy.engine says info" not in output


def test_level_silences_everything_below() -> None:
    """Also the lines of each event."""
    told = {json.loads(line)["level"] for line in run("json", "error").splitlines()}
    assert told == {"error"}


@pytest.mark.parametrize("text", ["own error", "foreign error"])
def test_exception_is_told_with_its_cause_on_one_line(lines: dict[str, dict[str, Any]], text: str) -> None:
    """Where it came from, in a form that a machine can read."""
    raised, cause = lines[text]["exception"]
    assert (raised["exc_type"], raised["exc_value"]) == ("ValueError", "wrong")
    assert (cause["exc_type"], cause["is_cause"]) == ("KeyError", True)
    assert raised["frames"][-1]["name"] == "fail"


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_payload_is_logged(style: str) -> None:
    """Neither an event's, nor a record's bytes and headers, nor the local variables of a traceback."""
    output = run(style)
    assert "own error" in output
    assert "s3cret" not in output


def test_each_event_has_a_line_with_its_outcome(output: str) -> None:
    """Who it was about, and where it was read."""
    told = [line for line in map(json.loads, output.splitlines()) if line["logger"] == "events" and "userId" in line]
    assert [(line["event"], line["userId"], line["offset"]) for line in told[:-1]] == [
        ("event stored", "jörg", 0),
        ("event is a duplicate", "jörg", 1),
        ("event conflicts with a stored one", "other", 2),
    ]
    assert len({line["eventId"] for line in told[:-1]}) == 1
    for line in told:
        assert (line["level"], line["eventType"]) == ("info", "LOGIN")
        assert (line["topic"], line["partition"], line["process"]) == ("events", 0, "consumer")


def test_each_dead_letter_has_a_line_with_its_reason(output: str) -> None:
    """With the event's id where it could be read."""
    first, second = [json.loads(line) for line in output.splitlines() if "dead-lettered" in line]
    assert first["eventId"] is not None
    assert second["eventId"] is None
    assert (second["level"], second["kind"], second["reason"]) == ("warning", "invalid", "eventId: must be a UUID")
    assert (second["topic"], second["partition"], second["offset"]) == ("events", 2, 9)
    assert len(second["fingerprint"]) == 8


def test_console_style_is_for_people() -> None:
    """One line a message, and no JSON."""
    output = run("console")
    assert "own line" in output
    assert not output.startswith("{")
    [stored] = [line for line in output.splitlines() if "event stored" in line and "jörg" in line]
    assert "consumer" in stored
    assert "{" not in stored


HIDDEN = set("\x07\x7f\x9b\u202e\u2028\u2029\U000e0001")
"""Characters that rule a terminal, reorder a line or break it, each of another kind."""


def test_console_shows_characters_that_would_rule_the_terminal_as_what_they_are() -> None:
    """Wherever a client's text may come: in a field, a message, an error, the line of an event."""
    output = run("console")
    assert not set(output) & HIDDEN
    assert "\x1b]" not in output
    assert output.count(r"\x1b]0;owned\x07\x7f\x9b\u202e\u2028\u2029\U000e0001\ud800") == 3
    assert output.count(r"\x1b]0;owned\x07\x7f\x9b\u202e\u2028\u2029\U000e0001") == 4


def test_json_escapes_what_would_rule_a_terminal_or_break_a_line(output: str) -> None:
    """It means the same text: nothing is lost."""
    assert not set(output) & HIDDEN
    escaped = r"\u001b]0;owned\u0007\u007f\u009b\u202e\u2028\u2029\udb40\udc01"
    assert output.count(escaped) == 4
    [user] = [line["userId"] for line in map(json.loads, output.splitlines()) if "owned" in line.get("userId", "")]
    assert user == "\x1b]0;owned\x07\x7f\x9b\u202e\u2028\u2029\U000e0001"


def test_command_that_a_line_names_works_where_it_was_logged() -> None:
    """Beside a program that is not on the path, wherever in the line the command is named."""
    script = (
        "import logging; from entrypoints.processes.logs import configure_logging; "
        "configure_logging('info', 'json', program='.venv/bin/user-events'); "
        "logging.error('ended: %s', 'run `user-events migrate`'); "
        "logging.warning('waiting', extra={'cause': 'run `user-events migrate`'})"
    )
    written = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    ended, waiting = map(json.loads, written.splitlines())
    assert ended["event"] == "ended: run `.venv/bin/user-events migrate`"
    assert waiting["cause"] == "run `.venv/bin/user-events migrate`"


def on_terminal(*arguments: str, **environment: str) -> str:
    """Run Python on a terminal of its own; return what it wrote there."""
    ours, theirs = pty.openpty()
    written = b""
    with subprocess.Popen([sys.executable, *arguments], env=environment, stdout=theirs):
        os.close(theirs)
        # The end of a terminal is an error.
        with suppress(OSError):
            while chunk := os.read(ours, 4_096):
                written += chunk
    os.close(ours)
    return written.decode()


@pytest.mark.parametrize("program", [("-c", SCRIPT, "info", "auto"), ("-m", "entrypoints", "--help")])
def test_terminal_is_coloured_unless_that_is_not_wanted(program: tuple[str, ...]) -> None:
    """Logs and help alike, see https://no-color.org."""
    terminal = {"TERM": "xterm-256color", "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    assert "\x1b[" in on_terminal(*program, **terminal)
    assert "\x1b[3" not in on_terminal(*program, **terminal, NO_COLOR="1")


def test_style_is_json_where_nobody_watches() -> None:
    """As in a container, whose output is no terminal."""
    assert json.loads(run("auto").splitlines()[0])["event"] == "own line"


def test_kafka_client_that_repeats_itself_is_heard_once_in_a_while() -> None:
    """During an outage it would fill the log; the next line of the kind counts those left out."""
    sparing = logs._RepeatFilter()
    written = []
    for second, (name, text) in enumerate(
        [("aiokafka.conn", "no %s"), ("aiokafka.conn", "no %s"), ("aiokafka", "other"), ("own", "no %s")]
        + [("aiokafka.conn", "no %s")] * 10
    ):
        record = logging.LogRecord(name, logging.ERROR, "", 0, text, ("broker",) if "%" in text else (), None)
        record.created = 1_000.0 + second
        if sparing.filter(record):
            written.append((second, record.getMessage()))
    assert written == [(0, "no broker"), (2, "other"), (3, "no broker"), (10, "no broker (and 7 more like it)")]
