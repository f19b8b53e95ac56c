"""`user-events dlq replay`, `discard` and `restore`: they show what would be done, ask, and do it."""

import json
import logging
from uuid import UUID

import pytest

from application.dead_letters.jobs import ItemState, JobState
from application.dead_letters.letters import LetterFilter, LetterState
from application.dead_letters.orders import Action, Order, Preview
from entrypoints.cli.dlq import following
from tests.unit.cli.letter_world import LetterWorld, a_letter
from tests.unit.cli.runner import answer, run

DEAD, DISCARDED = LetterState.DEAD, LetterState.DISCARDED
BEFORE = {"0-7": DEAD, "0-8": DEAD, "dlq-0-3": DEAD, "0-9": DISCARDED}
SCRIPT = ("--yes", "--reason", "mended")


def job_of(letters: LetterWorld) -> UUID:
    """Return the only job's id."""
    (job_id,) = letters.jobs
    return job_id


@pytest.mark.parametrize("command", ["replay", "discard", "restore"])
def test_change_without_a_choice_is_refused(letters: LetterWorld, command: str) -> None:
    """Exit code 2 and the usage; so is one with both a choice and `--all`."""
    for options in ([], ["--all", "--kind", "invalid"]):
        result = run("dlq", command, *options, *SCRIPT)
        assert result.exit_code == 2
        assert "--all" in result.stderr
    assert (letters.states(), letters.jobs, letters.entries) == (BEFORE, {}, [])


@pytest.mark.parametrize(
    ("command", "options", "needed"),
    [
        ("replay", [], "--yes and --reason"),
        ("replay", ["--yes"], "--reason"),
        ("replay", ["--reason", "x"], "--yes"),
        ("discard", ["--yes"], "--reason"),
        ("restore", [], "--yes"),
    ],
)
def test_script_that_states_too_little_is_refused(
    letters: LetterWorld, command: str, options: list[str], needed: str
) -> None:
    """Exit code 2, and nothing is changed."""
    result = run("dlq", command, "--all", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].endswith(f"without asking it needs {needed}")
    assert (letters.states(), letters.jobs) == (BEFORE, {})


@pytest.mark.parametrize("command", ["replay", "discard", "restore"])
def test_dry_run_prints_the_preview_alone(letters: LetterWorld, command: str) -> None:
    """It needs neither a terminal nor a reason."""
    result = run("dlq", command, "--all", "--dry-run")
    assert result.exit_code == 0
    assert "this was a dry run" in result.stderr
    assert (letters.states(), letters.jobs, letters.entries) == (BEFORE, {}, [])


def test_preview_counts_groups_and_what_is_skipped(letters: LetterWorld) -> None:
    """With the reason why."""
    printed = run("dlq", "replay", "--all", "--dry-run", COLUMNS="132").stdout.splitlines()
    assert printed[0] == "2 dead letters to replay"
    assert printed[1] == "last failed from 2026-11-22 12:00:00Z to 2026-11-22 12:02:00Z, by cause:"
    assert {line.split()[0] for line in printed[3:5]} == {"invalid", "unknown"}
    assert set(printed[5:]) == {
        "1 skipped: its state does not allow it",
        "1 skipped: it would conflict again: edit it, or replay it with a new event id",
    }


def test_preview_names_ids_that_are_not_there(letters: LetterWorld) -> None:
    """Otherwise nobody would notice a typing error."""
    printed = run("dlq", "discard", "--id", "0-7", "--id", "9-9", "--dry-run").stdout
    assert printed.splitlines()[-1].startswith("1 of the ids")


def test_discard_and_restore_change_letters(letters: LetterWorld) -> None:
    """The audit log has who, what and why."""
    result = run("dlq", "discard", "--kind", "invalid", *SCRIPT)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "discarded: 1 dead letter"
    assert letters.states() == BEFORE | {"0-7": DISCARDED}
    assert json.loads(run("dlq", "restore", "--all", "--yes", "--json").stdout)["changed"] == 2
    assert set(letters.states().values()) == {DEAD}
    discard, restore = letters.entries
    assert (discard.action, discard.reason, discard.wanted) == ("discard", "mended", {"kind": "invalid"})
    assert discard.who.startswith("cli:")
    assert (restore.action, restore.reason) == ("restore", "")


@pytest.mark.parametrize(
    ("answers", "is_done"), [("typo\ny\n", True), ("typo\nn\n", False), ("typo\n", False), ("", False)]
)
def test_change_asks_on_a_terminal(letters: LetterWorld, answers: str, *, is_done: bool) -> None:
    """First for the reason, then for consent; any answer but yes changes nothing."""
    result = answer(answers, "dlq", "discard", "--id", "0-7")
    assert result.exit_code == (0 if is_done else 1)
    assert letters.states()["0-7"] is (DISCARDED if is_done else DEAD)
    assert [entry.reason for entry in letters.entries] == (["typo"] if is_done else [])


def test_restore_asks_for_no_reason(letters: LetterWorld) -> None:
    """Consent is enough."""
    assert answer("y\n", "dlq", "restore", "--all").exit_code == 0
    assert letters.states()["0-9"] is DEAD


def test_replay_makes_a_job_of_its_terms(letters: LetterWorld) -> None:
    """The job's id is printed for a program, too."""
    terms = ["--canary", "2", "--rate", "50", "--max-replays", "3", "--new-event-id"]
    result = run("dlq", "replay", "--all", *terms, *SCRIPT, "--json")
    assert result.exit_code == 0
    job = letters.jobs[job_of(letters)]
    assert job.order == Order(Action.REPLAY, "mended", 3, new_event_id=True, canary=2, rate_per_second=50.0)
    printed = json.loads(result.stdout)
    assert (printed["job"]["id"], printed["job"]["letters"]) == (str(job.id), 3)
    assert [(each["reason"], each["count"]) for each in printed["preview"]["skipped"]] == [("state", 1)]


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_changed_count_changes_nothing(
    letters: LetterWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, command: str
) -> None:
    """Exit code 1, and the line says both counts."""
    preview = letters.use_cases.change.preview

    async def preview_just_before(wanted: LetterFilter, order: Order) -> Preview:
        found = await preview(wanted, order)
        letters.add(a_letter("5-5"))
        return found

    monkeypatch.setattr(letters.use_cases.change, "preview", preview_just_before)
    result = run("dlq", command, "--kind", "invalid", *SCRIPT)
    assert result.exit_code == 1
    (line,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert line.getMessage() == "ended: it would concern 2 dead letters, not 1: nothing was done"
    assert line.exc_info is None
    assert (letters.states(), letters.jobs) == (BEFORE | {"5-5": DEAD}, {})


def test_change_of_nothing_succeeds(letters: LetterWorld) -> None:
    """Without a question, so that a script may run again."""
    result = run("dlq", "replay", "--id", "0-9", *SCRIPT)
    assert (result.exit_code, letters.jobs) == (0, {})
    assert result.stderr.splitlines()[-1] == "nothing was replayed"


@pytest.mark.parametrize(
    ("state", "counts", "exit_code"),
    [
        (JobState.FINISHED, {ItemState.STORED: 1}, 0),
        (JobState.FINISHED, {ItemState.DEAD: 1}, 1),
        (JobState.HALTED, {ItemState.WAITING: 1}, 1),
        (JobState.CANCELLED, {ItemState.CANCELLED: 1}, 1),
    ],
)
def test_followed_replay_ends_with_its_job(
    letters: LetterWorld,
    monkeypatch: pytest.MonkeyPatch,
    state: JobState,
    counts: dict[ItemState, int],
    exit_code: int,
) -> None:
    """Exit code 0 only where all went well."""

    async def work(_seconds: float) -> None:
        letters.end_job(job_of(letters), state, counts, "the canary 0-7 died: \x1b[31mbad")

    monkeypatch.setattr(following, "_wait", work)
    result = run("dlq", "replay", "--id", "0-7", *SCRIPT, "--follow")
    assert result.exit_code == exit_code
    assert f"Job {job_of(letters)}: replay, {state}" in result.stdout
    assert r"the canary 0-7 died: \x1b[31mbad" in result.stdout


@pytest.mark.parametrize("name", ["LOGNAME", "USER"])
def test_who_is_one_line_whatever_the_environment_holds(letters: LetterWorld, name: str) -> None:
    """`cli:user@host`."""
    run("dlq", "restore", "--all", "--yes", **{"LOGNAME": "", name: "ann\n\x1b[31m" + "x" * 500})
    (entry,) = letters.entries
    assert entry.who.startswith(r"cli:ann\n\x1b[31mxxx")
    assert entry.who.isprintable()
    assert len(entry.who) < 300


@pytest.mark.parametrize(
    "terms", [["--canary", "-1"], ["--rate", "0"], ["--rate", "nan"], ["--max-replays", "99999999999"]]
)
def test_terms_out_of_range_are_refused(letters: LetterWorld, terms: list[str]) -> None:
    """Exit code 2 and the usage."""
    result = run("dlq", "replay", "--all", *terms, *SCRIPT)
    assert (result.exit_code, letters.jobs) == (2, {})
    assert "Usage" in result.stderr
