"""`user-events resume`: list the halted partitions and resume them with a person's consent."""

import json
from collections.abc import Collection, Sequence

import typer

from adapters.records import codec
from application.halted_partitions import HaltedPartition, HaltedPartitions, NotHalted
from entrypoints.cli import person
from entrypoints.cli.run import read_target, run
from entrypoints.config.errors import UsageError
from entrypoints.container import assembled


def resume(partitions: Collection[int] | None, *, reason: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    """List the halted ones of `partitions`, or all, and resume them once a person agrees."""
    settings = read_target()

    async def work() -> None:
        async with assembled(settings, lambda container: container.halted_partitions()) as halted:
            await list_and_resume(halted, partitions, reason=reason, yes=yes, dry_run=dry_run, as_json=as_json)

    run(work())


async def list_and_resume(
    halted: HaltedPartitions,
    partitions: Collection[int] | None,
    *,
    reason: str,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Print the halted ones of `partitions`, or all, and resume them with a person's consent.

    Raises `UsageError` where one of `partitions` is not halted or there is no terminal to ask on, `typer.Abort` where
    the answer was no.
    """
    try:
        found = await halted.find(partitions)
    except NotHalted as error:
        raise UsageError(str(error)) from error
    _print(halted, found, as_json=as_json)
    if not found:
        typer.echo(f"nothing is halted: {halted}", err=True)
    elif dry_run:
        typer.echo("nothing was resumed: this was a dry run", err=True)
    elif not yes and not person.has_terminal():
        raise UsageError("nothing was resumed: there is no terminal to ask on; --yes resumes without asking")
    else:
        if not yes:
            person.confirm("Resume these partitions? Gaps and unreadable records are skipped.")
        resumed = await halted.resume([each.partition for each in found], person.who(), reason)
        typer.echo(f"resumed: {resumed}; consumers read on there within some seconds", err=True)


def _print(halted: HaltedPartitions, found: Sequence[HaltedPartition], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_as_json(halted, each) for each in found]))
    elif found:
        typer.echo(str(halted))
        for partition, halt, since, backlog in found:
            records = "?" if backlog is None else backlog
            typer.echo(
                f"partition {partition}: halted at offset {halt.offset} since {codec.render_time(since)}, "
                f"{records} records wait: {halt.kind}: {halt.reason}"
            )


def _as_json(halted: HaltedPartitions, each: HaltedPartition) -> dict[str, object]:
    position = {"topic": halted.topic, "group": halted.group, "partition": each.partition}
    return {**position, **each.halt._asdict(), "since": codec.render_time(each.since), "waiting": each.backlog}
