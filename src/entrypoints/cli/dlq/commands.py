"""The subcommands of `user-events dlq` and their options; each one imports its own modules when it runs."""

from typing import Annotated
from uuid import UUID

import typer

from application.dead_letters.jobs import JobCommand
from application.dead_letters.letters import LetterFilter
from application.dead_letters.orders import DEFAULT_MAX_REPLAYS, Action, Order
from entrypoints.cli.dlq.options import (
    AsJson,
    AsLines,
    Canary,
    DryRun,
    Follow,
    LetterId,
    MaxReplays,
    NewEventId,
    NewValue,
    Rate,
    Reason,
    Yes,
    choosing,
    choosing_or_all,
)

commands = typer.Typer(help="Look into dead letters, mend and replay them.", no_args_is_help=True)


@commands.command("list")
@choosing
def list_letters(
    *,
    wanted: LetterFilter,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Most letters.")] = 50,
    as_json: AsLines = False,
) -> None:
    """List dead letters, the latest failures first."""
    from entrypoints.cli.dlq.listing import list_letters

    list_letters(wanted, limit, as_json=as_json)


@commands.command()
def show(
    letter_id: LetterId,
    *,
    value: Annotated[bool, typer.Option("--value", help="Write the bytes of its value, nothing else.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show everything about one dead letter."""
    from entrypoints.cli.dlq.show import show

    show(letter_id, only_value=value, as_json=as_json)


@commands.command()
@choosing
def groups(*, wanted: LetterFilter, as_json: AsJson = False) -> None:
    """Group dead letters by their cause, the largest group first."""
    from entrypoints.cli.dlq.listing import list_groups

    list_groups(wanted, as_json=as_json)


@commands.command()
@choosing
def export(*, wanted: LetterFilter) -> None:
    """Write dead letters in full, one JSON object a line."""
    from entrypoints.cli.dlq.export import export

    export(wanted)


@commands.command()
@choosing_or_all
def replay(
    *,
    wanted: LetterFilter,
    canary: Canary = 0,
    rate: Rate = None,
    max_replays: MaxReplays = DEFAULT_MAX_REPLAYS,
    new_event_id: NewEventId = False,
    follow: Follow = False,
    reason: Reason = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Publish dead letters to the events' topic again.

    Prints what would be done, then asks; a job in a consumer does it. Without a terminal it needs --yes and --reason.
    """
    from entrypoints.cli.dlq.changes import change

    order = Order(Action.REPLAY, reason or "", max_replays, new_event_id, canary, rate)
    change(wanted, order, yes=yes, dry_run=dry_run, as_json=as_json, follow=follow)


@commands.command()
@choosing_or_all
def discard(
    *,
    wanted: LetterFilter,
    reason: Reason = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    follow: Follow = False,
) -> None:
    """Give dead letters up. Nothing is deleted: `restore` takes it back.

    Prints what would be done, then asks. Without a terminal it needs --yes and --reason.
    """
    from entrypoints.cli.dlq.changes import change

    order = Order(Action.DISCARD, reason or "")
    change(wanted, order, yes=yes, dry_run=dry_run, as_json=as_json, follow=follow)


@commands.command()
@choosing_or_all
def restore(
    *,
    wanted: LetterFilter,
    reason: Reason = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    follow: Follow = False,
) -> None:
    """Take a discard back.

    Prints what would be done, then asks. Without a terminal it needs --yes.
    """
    from entrypoints.cli.dlq.changes import change

    order = Order(Action.RESTORE, reason or "")
    change(wanted, order, yes=yes, dry_run=dry_run, as_json=as_json, follow=follow)


@commands.command()
def edit(
    letter_id: LetterId,
    *,
    file: NewValue = None,
    reason: Reason = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Give a dead letter a value that a replay can store.

    Prints what differs, then asks. The original value is kept. Without a terminal it needs --file and --yes.
    """
    from entrypoints.cli.dlq.edit import edit

    edit(letter_id, file, reason=reason or "", yes=yes, dry_run=dry_run, as_json=as_json)


@commands.command()
def jobs(
    job_id: Annotated[UUID | None, typer.Argument(metavar="ID", help="The job's id.")] = None,
    *,
    pause: Annotated[bool, typer.Option("--pause", help="Stop it for now.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Let it go on, without a canary.")] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="End it; letters that it has not published are dead again.")
    ] = False,
    follow: Follow = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000, metavar="N", help="Most jobs.")] = 20,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs, newest first, or show one, follow it, pause, resume or cancel it."""
    given = {JobCommand.PAUSE: pause, JobCommand.RESUME: resume, JobCommand.CANCEL: cancel}
    chosen = [command for command, is_given in given.items() if is_given]
    if len(chosen) > 1:
        raise typer.BadParameter("only one of --pause, --resume and --cancel")
    if job_id is None and (chosen or follow):
        raise typer.BadParameter("name the job: `user-events dlq jobs` lists them")
    from entrypoints.cli.dlq.jobs import list_jobs, show_job

    if job_id is None:
        list_jobs(limit, as_json=as_json)
    else:
        show_job(job_id, chosen[0] if chosen else None, reason=reason or "", follow=follow, as_json=as_json)


@commands.command()
def rebuild(*, reason: Reason = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Read the dead-letter topic again and replace the index by what it says.

    Edits, discards and outcomes of replays are kept. Without a terminal it needs --yes.
    """
    from entrypoints.cli.dlq.rebuild import rebuild

    rebuild(reason=reason or "", yes=yes, as_json=as_json)
