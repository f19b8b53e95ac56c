"""`user-events dlq jobs` and `rebuild`, and `user-events audit-log`."""

import json
import logging
from uuid import UUID, uuid4

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from application.dead_letters.jobs import ItemState, JobInFull, JobState
from domain.errors import Unavailable
from entrypoints.cli import audit_log, main
from entrypoints.cli.dlq import following
from tests.unit.cli.letter_world import LetterWorld, a_letter
from tests.unit.cli.runner import answer, run


@pytest.fixture
def job_id(letters: LetterWorld) -> UUID:
    """A job of two letters, which nobody has begun."""
    assert run("dlq", "replay", "--all", "--canary", "1", "--rate", "5", "--yes", "--reason", "mended").exit_code == 0
    (job_id,) = letters.jobs
    return job_id


def failed(letters: LetterWorld, job_id: UUID) -> None:
    """End the job: one letter is stored, one is dead."""
    letters.end_job(job_id, JobState.HALTED, {ItemState.DEAD: 1, ItemState.STORED: 1}, "the canary 0-7 died\x1b[0m")
    letters.jobs[job_id].items[0].why = "\x9b" + "宽" * 500


def test_jobs_are_listed_newest_first(letters: LetterWorld, job_id: UUID) -> None:
    """With their progress, and who ordered them."""
    failed(letters, job_id)
    assert run("dlq", "discard", "--all", "--yes", "--reason", "x").exit_code == 0
    head, row = run("dlq", "jobs", COLUMNS="140").stdout.splitlines()
    assert head.split() == ["ID", "STATE", "DONE", "AGE", "ORDER"]
    assert row.split()[:3] == [str(job_id), "halted", "2/2"]
    assert [job["id"] for job in json.loads(run("dlq", "jobs", "--json").stdout)] == [str(job_id)]


def test_no_jobs_is_a_line_on_stderr(letters: LetterWorld) -> None:
    """Exit code 0."""
    result = run("dlq", "jobs")
    assert (result.exit_code, result.stdout, result.stderr.splitlines()[-1]) == (0, "", "no jobs")


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_job_is_shown_with_outcomes_and_failures(letters: LetterWorld, job_id: UUID, columns: int) -> None:
    """In the width of the terminal, without control characters."""
    failed(letters, job_id)
    result = run("dlq", "jobs", str(job_id), COLUMNS=str(columns))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert all(line.isprintable() for line in lines)
    assert max(map(cell_len, lines)) <= columns
    if columns == 80:
        for text in (r"the canary 0-7 died\x1b[0m", "2 of 2 done (1 stored, 1 dead)", "canary of 1", "a second"):
            assert text in result.stdout


def test_job_is_printed_as_json(letters: LetterWorld, job_id: UUID) -> None:
    """With outcomes by cause and failures."""
    failed(letters, job_id)
    job = json.loads(run("dlq", "jobs", str(job_id), "--json").stdout)
    assert (job["state"], job["counts"]["dead"], job["counts"]["stored"], job["canary"]) == ("halted", 1, 1, 1)
    assert (job["groups"][0]["fingerprint"], job["groups"][0]["counts"]["dead"]) == ("invalid", 1)
    assert job["failures"][0]["letterId"] == "0-7"


@pytest.mark.parametrize(
    ("option", "state"),
    [("--pause", JobState.PAUSED), ("--resume", JobState.RUNNING), ("--cancel", JobState.CANCELLED)],
)
def test_job_is_controlled(letters: LetterWorld, job_id: UUID, option: str, state: JobState) -> None:
    """The audit log says by whom and why."""
    letters.jobs[job_id].state = JobState.PAUSED if option == "--resume" else JobState.RUNNING
    result = run("dlq", "jobs", str(job_id), option, "--reason", "lunch", "--json")
    assert (result.exit_code, json.loads(result.stdout)["state"]) == (0, state)
    assert (letters.entries[-1].action, letters.entries[-1].reason) == (f"{option[2:]} job", "lunch")


def test_ended_job_is_not_controlled(letters: LetterWorld, job_id: UUID, caplog: pytest.LogCaptureFixture) -> None:
    """Exit code 1 with the reason in one line."""
    failed(letters, job_id)
    assert run("dlq", "jobs", str(job_id), "--pause").exit_code == 1
    (line,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert (line.getMessage().startswith("ended: "), line.exc_info) == (True, None)


@pytest.mark.parametrize(
    "arguments",
    [["--follow"], ["--cancel"], ["not-a-uuid"], [str(uuid4()), "--pause", "--cancel"], [str(uuid4())]],
    ids=["follow", "cancel", "id", "both", "unknown"],
)
def test_wrong_call_of_jobs_is_refused(letters: LetterWorld, arguments: list[str]) -> None:
    """Exit code 2."""
    result = run("dlq", "jobs", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")


def test_unknown_job_is_not_controlled(letters: LetterWorld) -> None:
    """Exit code 2, as for showing it."""
    assert run("dlq", "jobs", str(uuid4()), "--pause").exit_code == 2


def test_followed_job_outlives_an_outage(letters: LetterWorld, job_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database may restart meanwhile; after a minute the command ends with code 1."""
    get, calls = letters.use_cases.jobs.get, 0

    async def flaky(wanted: UUID) -> JobInFull | None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise Unavailable("database: it restarts")
        letters.end_job(job_id, JobState.FINISHED, {ItemState.STORED: 2})
        return await get(wanted)

    async def no_pause(_seconds: float) -> None:
        pass

    monkeypatch.setattr(letters.use_cases.jobs, "get", flaky)
    monkeypatch.setattr(following, "_wait", no_pause)
    assert run("dlq", "jobs", str(job_id), "--follow").exit_code == 0
    assert calls == 2
    calls = 0
    monkeypatch.setattr(following, "_PATIENCE_SECONDS", -1.0)
    assert run("dlq", "jobs", str(job_id), "--follow").exit_code == 1


def test_cancelled_job_is_followed_until_its_outcomes_are_there(
    letters: LetterWorld, job_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was published may still be stored."""
    steps = [{ItemState.REPLAYED: 1, ItemState.CANCELLED: 1}, {ItemState.STORED: 1, ItemState.CANCELLED: 1}]

    async def step(_seconds: float) -> None:
        letters.end_job(job_id, JobState.CANCELLED, steps.pop(0))

    monkeypatch.setattr(following, "_wait", step)
    assert run("dlq", "jobs", str(job_id), "--follow").exit_code == 1
    assert steps == []


def test_rebuild_needs_consent(letters: LetterWorld) -> None:
    """It replaces the index."""
    assert run("dlq", "rebuild").exit_code == 2
    assert answer("n\n", "dlq", "rebuild").exit_code == 1
    assert (len(letters.states()), letters.entries) == (4, [])
    letters.dead_letter()
    result = run("dlq", "rebuild", "--yes", "--reason", "restored backup", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"letters": 1})
    assert answer("y\n", "dlq", "rebuild").stdout.endswith("rebuilt: 1 dead letter\n")
    assert [entry.reason for entry in letters.entries] == ["restored backup", ""]


def test_audit_log_is_listed_newest_first(letters: LetterWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the page; `--action`, `--who` and `--limit` choose."""
    monkeypatch.setattr(audit_log, "_PAGE_ENTRIES", 1)
    run("dlq", "discard", "--id", "0-7", "--yes", "--reason", "\x1b[31m宽")
    run("dlq", "restore", "--id", "0-7", "--yes")
    head, *rows = run("audit-log", COLUMNS="120").stdout.splitlines()
    assert head.split()[:4] == ["TIME", "WHO", "ACTION", "COUNTS"]
    assert r"\x1b[31m宽" in "".join(rows)
    assert "1 letter " in rows[0]
    for options, actions in (
        ([], ["restore", "discard"]),
        (["--limit", "1"], ["restore"]),
        (["--action", "discard"], ["discard"]),
        (["--who", "api"], []),
    ):
        entries = [json.loads(line) for line in run("audit-log", *options, "--json").stdout.splitlines()]
        assert [entry["action"] for entry in entries] == actions
    assert entries == []
    assert run("audit-log", "--who", "api").stderr.splitlines()[-1] == "no entries"


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_audit_log_fits_the_terminal(letters: LetterWorld, columns: int) -> None:
    """Whatever it holds."""
    letters.add(a_letter("1-1", user_id="宽" * 500))
    run("dlq", "discard", "--user", "宽" * 500, "--yes", "--reason", "r" * 2_000)
    lines = run("audit-log", COLUMNS=str(columns)).stdout.splitlines()
    assert max(map(cell_len, lines)) <= columns


@pytest.mark.parametrize(
    ("words", "word", "completed"),
    [("--state", "dis", "discarded"), ("--kind", "exh", "exhausted"), ("--kind", "unk", "unknown")],
)
def test_shell_completes_states_and_kinds(words: str, word: str, completed: str) -> None:
    """As it completes commands."""
    line = f"user-events dlq list {words} {word}"
    environ = {
        "COMP_WORDS": line,
        "COMP_CWORD": "4",
        "_TYPER_COMPLETE_ARGS": line,
        "_USER_EVENTS_COMPLETE": "complete_bash",
    }
    result = CliRunner().invoke(main.cli, [], env=environ, prog_name="user-events")
    assert result.stdout.split() == [completed]


@pytest.mark.parametrize("options", [["--kind", "nonsense"], ["--state", "x"], ["--from", "now"], ["--event-id", "1"]])
def test_wrong_option_of_the_filter_prints_the_usage(letters: LetterWorld, options: list[str]) -> None:
    """Exit code 2."""
    result = run("dlq", "list", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage" in result.stderr
    assert run("dlq", "list", "--user", "\udcff").exit_code == 2


def test_help_of_each_subcommand_names_the_filter() -> None:
    """The same options everywhere."""
    for command in ("list", "groups", "export", "replay", "discard", "restore"):
        text = run("dlq", command, "--help", COLUMNS="120").stdout
        for option in ("--id", "--state", "--kind", "--fingerprint", "--user", "--type", "--event-id", "--error-class"):
            assert option in text
        assert ("--all" in text) == (command in ("replay", "discard", "restore"))
