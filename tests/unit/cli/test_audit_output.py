"""What an audit prints: results on stdout, progress on stderr."""

import json
from collections.abc import AsyncGenerator
from uuid import UUID

import pytest

from application.audit import Disposition, Finding, Missing
from application.ports import Span
from entrypoints.cli import audit
from entrypoints.cli.audit import print_audit

EVENT_ID = UUID("0198f3c0-1111-7abc-8def-0123456789ab")
LOST = Missing(0, 7, 1_795_348_800_000, EVENT_ID, "it has no row")
UNREADABLE = Missing(1, 2, -1, None, 'undecodable ("), gone')
CLEAN = (
    Finding(0, Span(0, 7), {Disposition.STORED: 5, Disposition.EXPIRED: 2, Disposition.MISSING: 0}, ()),
    Finding(1, Span(0, 3), {Disposition.DEAD: 1, Disposition.PENDING: 2}, ()),
)
LOSSY = (
    *CLEAN,
    Finding(0, Span(7, 9), {Disposition.MISSING: 1, Disposition.ERASED: 1}, (LOST,)),
    Finding(1, Span(3, 5), {Disposition.MISSING: 1, Disposition.EMPTY: 1}, (UNREADABLE,)),
)
COUNTS = {"stored": 5, "dead": 1, "pending": 2, "erased": 0, "expired": 2, "empty": 0, "compacted": 0, "missing": 0}


async def each(findings: tuple[Finding, ...]) -> AsyncGenerator[Finding, None]:
    """Give one after the other."""
    for finding in findings:
        yield finding


async def test_clean_audit_prints_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them, zeros included, and their sum."""
    assert await print_audit(each(CLEAN), as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [*([disposition, str(count)] for disposition, count in COUNTS.items()), ["offsets", "10"]]


async def test_missing_records_are_printed_first(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, with its position and the reason."""
    assert not await print_audit(each(LOSSY), as_json=False)
    first, second, *counts = capsys.readouterr().out.splitlines()
    assert first == (
        f"missing: partition=0 offset=7 timestamp=2026-11-22T12:00:00.000Z eventId={EVENT_ID}: it has no row"
    )
    assert second.startswith("missing: partition=1 offset=2 timestamp=-1 eventId=unknown: undec")
    assert [line.split() for line in counts][-2:] == [["missing", "2"], ["offsets", "14"]]


async def test_compacted_log_is_not_proved(capsys: pytest.CaptureFixture[str]) -> None:
    """Acknowledged events may be among the deleted records; stdout has data only."""
    compacted = Finding(0, Span(0, 4), {Disposition.STORED: 1, Disposition.COMPACTED: 3}, ())
    assert not await print_audit(each((compacted,)), as_json=True)
    printed = capsys.readouterr()
    assert json.loads(printed.out)["counts"]["compacted"] == 3
    assert printed.err.startswith("3 records were deleted by compaction: acknowledged events may be among them")


@pytest.mark.parametrize(("findings", "is_clean"), [(CLEAN, True), (LOSSY, False), ((), True)])
async def test_json_is_one_document(
    findings: tuple[Finding, ...], is_clean: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """However many are missing, none included."""
    assert await print_audit(each(findings), as_json=True) is is_clean
    document = json.loads(capsys.readouterr().out)
    assert document.keys() == {"missing", "counts", "offsets"}
    assert document["offsets"] == sum(document["counts"].values())
    assert document["counts"].keys() == COUNTS.keys()
    assert document["counts"]["missing"] == len(document["missing"])
    if not is_clean:
        assert document["missing"][0] == {
            "partition": 0,
            "offset": 7,
            "timestamp": "2026-11-22T12:00:00.000Z",
            "eventId": str(EVENT_ID),
            "reason": "it has no row",
        }
        assert document["missing"][1]["eventId"] is None


async def test_long_audit_prints_its_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, so that a script's data stay clean."""
    monkeypatch.setattr(audit, "_PROGRESS_SECONDS", 0.0)
    await print_audit(each(CLEAN), as_json=True)
    assert capsys.readouterr().err.splitlines()[-1] == "partition 1: audited up to offset 3"
