"""`user-events resume`: list the halted partitions and resume them with a person's consent."""

import json
import sys
from collections.abc import Collection, Sequence
from enum import Enum, auto

import typer

from adapters import wire
from application.halted_partitions import HaltedPartition, HaltedPartitions, NotHalted
from entrypoints.cli.run import read_target, run
from entrypoints.config.errors import UsageError
from entrypoints.container import assembled_halted_partitions


class Consent(Enum):
    """How a person agrees to the resumption."""

    GIVEN = auto()
    ASKED = auto()
    """On the terminal, once the partitions are listed."""
    MISSING = auto()
    """There is no terminal to ask on."""
    NOT_WANTED = auto()
    """It is a dry run."""


def resume(partitions: Collection[int] | None, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """List the halted ones of `partitions`, or all, and resume them once a person agrees."""
    settings = read_target()
    if dry_run:
        consent = Consent.NOT_WANTED
    elif yes:
        consent = Consent.GIVEN
    else:
        consent = Consent.ASKED if sys.stdin.isatty() else Consent.MISSING

    async def work() -> None:
        async with assembled_halted_partitions(settings) as halted:
            await list_and_resume(halted, partitions, consent, as_json=as_json)

    run(work())


async def list_and_resume(
    halted: HaltedPartitions, partitions: Collection[int] | None, consent: Consent, *, as_json: bool
) -> None:
    """Print the halted ones of `partitions`, or all, and resume them with a person's consent.

    Raises `UsageError` where one of `partitions` is not halted or consent is missing, `typer.Abort` where the answer
    was no.
    """
    try:
        found = await halted.find(partitions)
    except NotHalted as error:
        raise UsageError(str(error)) from error
    _print(halted, found, as_json=as_json)
    if not found:
        typer.echo(f"nothing is halted: {halted}", err=True)
    elif consent is Consent.NOT_WANTED:
        typer.echo("nothing was resumed: this was a dry run", err=True)
    elif consent is Consent.MISSING:
        raise UsageError("nothing was resumed: there is no terminal to ask on; --yes resumes without asking")
    else:
        if consent is Consent.ASKED:
            typer.confirm("Resume these partitions? Gaps and unreadable records are skipped.", abort=True, err=True)
        resumed = await halted.resume([each.partition for each in found])
        typer.echo(f"resumed: {resumed}; consumers read on there within some seconds", err=True)


def _print(halted: HaltedPartitions, found: Sequence[HaltedPartition], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_as_json(halted, each) for each in found]))
    elif found:
        typer.echo(str(halted))
        for partition, stop, since, backlog in found:
            records = "?" if backlog is None else backlog
            typer.echo(
                f"partition {partition}: halted at offset {stop.offset} since {wire.render_time(since)}, "
                f"{records} records wait: {stop.kind}: {stop.reason}"
            )


def _as_json(halted: HaltedPartitions, each: HaltedPartition) -> dict[str, object]:
    position = {"topic": halted.topic, "group": halted.group, "partition": each.partition}
    return {**position, **each.stop._asdict(), "since": wire.render_time(each.since), "waiting": each.backlog}
