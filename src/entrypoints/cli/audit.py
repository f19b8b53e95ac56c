"""`user-events audit`: prove that no acknowledged event is missing, and print each one that is."""

import json
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from time import monotonic

import typer

from adapters.records import codec
from application.audit import Disposition, Finding, Missing
from entrypoints.cli.run import FAILED, read_target, run
from entrypoints.container import assembled

_PROGRESS_SECONDS = 5.0


def audit(since: datetime | None, until: datetime | None, *, as_json: bool) -> None:
    """Audit the records of this time range; exit with 1 where one is missing or may be."""
    settings = read_target()

    async def work() -> bool:
        async with assembled(settings, lambda container: container.audit()) as audit_range:
            return await print_audit(audit_range(since, until), as_json=as_json)

    if not run(work()):
        sys.exit(FAILED)


async def print_audit(findings: AsyncGenerator[Finding, None], *, as_json: bool) -> bool:
    """Print the missing records and the counts to stdout, the progress to stderr; return whether nothing is missing."""
    printer = _JsonPrinter() if as_json else _TextPrinter()
    counts: Counter[Disposition] = Counter()
    printed_at = monotonic()
    async with aclosing(findings):
        async for finding in findings:
            counts.update(finding.counts)
            for missing in finding.missing:
                printer.missing(missing)
            if monotonic() - printed_at >= _PROGRESS_SECONDS:
                printed_at = monotonic()
                typer.echo(f"partition {finding.partition}: audited up to offset {finding.span.end}", err=True)
    printer.end({disposition: counts[disposition] for disposition in Disposition})
    if counts[Disposition.COMPACTED]:
        typer.echo(
            f"{counts[Disposition.COMPACTED]} records were deleted by compaction: acknowledged events may be among "
            "them (`user-events topics` names the remedy)",
            err=True,
        )
    return counts[Disposition.MISSING] == counts[Disposition.COMPACTED] == 0


class _TextPrinter:
    """Lines for people."""

    def missing(self, missing: Missing) -> None:
        position = f"partition={missing.partition} offset={missing.offset} timestamp={_time(missing)}"
        typer.echo(f"missing: {position} eventId={missing.event_id or 'unknown'}: {missing.reason}")

    def end(self, counts: dict[Disposition, int]) -> None:
        for disposition, count in counts.items():
            typer.echo(f"{disposition:<9} {count}")
        typer.echo(f"{'offsets':<9} {sum(counts.values())}")


class _JsonPrinter:
    """One document, written piece by piece: the list of missing records may be too long for the memory."""

    def __init__(self) -> None:
        self._before = '{"missing": ['

    def missing(self, missing: Missing) -> None:
        event_id = None if missing.event_id is None else str(missing.event_id)
        rendered = missing._asdict() | {"timestamp": _time(missing), "eventId": event_id}
        del rendered["event_id"]
        typer.echo(self._before + json.dumps(rendered), nl=False)
        self._before = ",\n"

    def end(self, counts: dict[Disposition, int]) -> None:
        opening = "" if counts[Disposition.MISSING] else self._before
        typer.echo(f'{opening}], "counts": {json.dumps(counts)}, "offsets": {sum(counts.values())}}}')


def _time(missing: Missing) -> str:
    """Render a record's time in ISO 8601; outside the years 1 to 9999, as the milliseconds of the log."""
    moment = codec.from_milliseconds(missing.timestamp)
    return str(missing.timestamp) if moment is None else codec.render_time(moment)
