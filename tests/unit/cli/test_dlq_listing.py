"""`user-events dlq list`, `groups` and `export`: tables for people, JSON for programs."""

import errno
import json

import pytest
from rich.cells import cell_len

from entrypoints.cli.dlq import listing
from tests.unit.cli.letter_world import EVENT_ID, LetterWorld, a_letter
from tests.unit.cli.runner import run

HOSTILE = "\x1b[31mred\x1b[0m\r\n\x00\x9b2J [bold]:smile: \u202eevil"


def lines(*arguments: str, **environ: str) -> list[str]:
    """Run a subcommand that succeeds; return what it prints to stdout."""
    result = run("dlq", *arguments, **environ)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_list_prints_the_latest_failures_first(letters: LetterWorld) -> None:
    """A line each below the headings."""
    head, *rows = lines("list")
    assert head.split() == ["ID", "STATE", "KIND", "AGE", "USER", "MESSAGE"]
    assert [row.split()[0] for row in rows] == ["0-9", "dlq-0-3", "0-8", "0-7"]
    assert rows[-1].endswith("user-1  userId: must not be empty")


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--id", "0-7", "--id", "0-9"], ["0-9", "0-7"]),
        (["--state", "discarded"], ["0-9"]),
        (["--kind", "unknown"], ["dlq-0-3"]),
        (["--fingerprint", "conflict"], ["0-8"]),
        (["--user", "user-2"], ["0-8"]),
        (["--type", "LOGIN", "--kind", "conflict"], ["0-8"]),
        (["--event-id", str(EVENT_ID)], ["0-8"]),
        (["--error-class", "Other"], []),
        (["--from", "2026-11-22T12:01Z", "--to", "2026-11-22T13:03:00+01:00"], ["dlq-0-3", "0-8"]),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("command", ["list", "export", "groups"])
def test_every_option_of_the_filter_chooses(
    letters: LetterWorld, command: str, options: list[str], ids: list[str]
) -> None:
    """They are the same for all subcommands; letters are printed a line each."""
    printed = lines(command, *options, *(["--json"] if command != "export" else []))
    if command == "groups":
        assert sum(group["count"] for group in json.loads(printed[0])) == len(ids)
    else:
        assert [json.loads(line)["id"] for line in printed] == ids


def test_list_is_limited_and_says_that_there_are_more(letters: LetterWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads by the page."""
    monkeypatch.setattr(listing, "_PAGE_LETTERS", 2)
    result = run("dlq", "list", "--limit", "3", "--json")
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["0-9", "dlq-0-3", "0-8"]
    assert "there are more" in result.stderr
    assert "there are more" not in run("dlq", "list", "--limit", "4").stderr


def test_groups_print_one_cause_a_row(letters: LetterWorld) -> None:
    """The largest one first, with a sample."""
    head, first, *others = lines("groups", COLUMNS="132")
    assert head.split() == ["CAUSE", "KIND", "COUNT", "USERS", "OLDEST", "NEWEST", "SAMPLE", "MESSAGE"]
    cause, kind, count, users, *_ = first.split()
    assert (cause, kind, count, users) == ("invalid", "invalid", "2", "1")
    assert len(others) == 2


@pytest.mark.parametrize("command", ["list", "groups"])
def test_empty_index_prints_a_line_to_stderr(letters: LetterWorld, command: str) -> None:
    """Stdout stays empty, and the exit code is 0."""
    letters.clear()
    result = run("dlq", command)
    assert (result.exit_code, result.stdout, result.stderr.splitlines()[-1]) == (0, "", "no dead letters")


@pytest.mark.parametrize("columns", [20, 40, 80, 132])
@pytest.mark.parametrize("command", ["list", "groups", "show"])
def test_tables_fit_the_terminal(letters: LetterWorld, columns: int, command: str) -> None:
    """Whatever a letter holds: long messages, wide characters, control characters, markup."""
    headers = [(HOSTILE, HOSTILE.encode()), ("\u5bbd" * 300, b"\xff" * 300)]
    wide = a_letter("1-1", message="宽" * 5_000, user_id="\U0001f600" * 512, value=b"x" * 5_000, headers=headers)
    letters.add(wide, a_letter("12-1234567890", message=HOSTILE, user_id=HOSTILE))
    arguments = ["show", "1-1"] if command == "show" else [command]
    printed = lines(*arguments, COLUMNS=str(columns))
    assert max(map(cell_len, printed)) <= columns
    assert all(line.isprintable() for line in printed)


@pytest.mark.parametrize("command", ["list", "groups", "show", "export"])
def test_hostile_text_reaches_no_terminal(letters: LetterWorld, command: str) -> None:
    """Control and bidi characters are escaped; markup and emoji codes stay as they are."""
    letters.clear()
    hostile = HOSTILE.encode()
    letters.add(a_letter("1-1", message=HOSTILE, user_id=HOSTILE, value=hostile, headers=[(HOSTILE, hostile)]))
    printed = lines(command, *(["1-1"] if command == "show" else []), COLUMNS="300")
    assert all(line.isprintable() for line in printed)
    assert "[bold]:smile:" in "".join(printed)


def test_ids_are_never_cut(letters: LetterWorld) -> None:
    """They are what the next command needs."""
    letters.add(a_letter("12-1234567890", message="m" * 500, user_id="u" * 500, minutes=60))
    assert lines("list", COLUMNS="70")[1].split()[0] == "12-1234567890"


def test_table_has_no_colors_where_it_is_no_terminal(letters: LetterWorld) -> None:
    """Lines end without blanks."""
    assert "\x1b" not in run("dlq", "list").stdout
    assert all(line == line.rstrip() for line in lines("groups"))


def test_export_writes_each_letter_in_full(letters: LetterWorld) -> None:
    """One JSON object a line, to stdout alone."""
    letters.clear()
    letters.add(a_letter(value=b'{"a": 1.50,\n "b": 1e8000}'), a_letter("0-8", value=b"\xff\x00"))
    result = run("dlq", "export")
    second, first = (json.loads(line, parse_float=str) for line in result.stdout.splitlines())
    assert first["value"]["json"] == {"a": "1.50", "b": "1e8000"}
    assert first["headers"] == [{"name": "content-type", "value": first["headers"][0]["value"]}]
    assert second["value"]["base64"] == "/wA="
    assert result.stderr.splitlines()[-1] == "exported: 2 dead letters"


def test_reader_that_leaves_ends_the_command_quietly(
    letters: LetterWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As `| head` does; no line of the log, no traceback."""

    def leave(*_: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(listing, "print_json", leave)
    result = run("dlq", "list", "--json")
    assert (result.exit_code, caplog.records) == (1, [])
    assert "Traceback" not in result.output
