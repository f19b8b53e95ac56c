"""`user-events dlq replay`, `discard` and `restore`: show what would be done, ask, and do it."""

import sys
from dataclasses import replace

import msgspec
import typer

from application.dead_letters.jobs import Job
from application.dead_letters.letters import LetterFilter
from application.dead_letters.orders import Action, Order, Preview
from application.dead_letters.use_cases import LetterUseCases
from entrypoints.cli import person
from entrypoints.cli.dlq.as_json import print_json
from entrypoints.cli.dlq.following import ended_well, follow_to_end
from entrypoints.cli.dlq.job_details import print_job
from entrypoints.cli.dlq.listing import print_groups
from entrypoints.cli.dlq.screen import counted, moment
from entrypoints.cli.dlq.session import with_letters
from entrypoints.cli.run import FAILED, exit_codes
from entrypoints.config.errors import UsageError
from entrypoints.http.routes.dead_letters import job_rows, rows

_PAST = {Action.REPLAY: "replayed", Action.DISCARD: "discarded", Action.RESTORE: "restored"}
_NEED_REASON = (Action.REPLAY, Action.DISCARD)


def change(wanted: LetterFilter, order: Order, *, yes: bool, dry_run: bool, as_json: bool, follow: bool) -> None:
    """Print what `order` would do to the chosen letters, and do it once a person agrees.

    Exits with 1 where a job is followed and does not end well.
    """
    if not dry_run:
        with exit_codes():
            _check_consent(order, yes=yes)

    async def work(letters: LetterUseCases) -> bool:
        preview = await letters.change.preview(wanted, order)
        if not as_json:
            _print_preview(wanted, order.action, preview)
        if dry_run or not preview.count:
            if as_json:
                print_json({"preview": _as_json(preview)})
            typer.echo(f"nothing was {_PAST[order.action]}{': this was a dry run' if dry_run else ''}", err=True)
            return True
        agreed = order if yes else _ask(order, preview.count)
        done = await letters.change.carry_out(wanted, agreed, person.who(), preview.count)
        if isinstance(done, int):
            _print_changed(order.action, preview, done, as_json=as_json)
            return True
        return await _end_with_job(letters, preview, done, follow=follow, as_json=as_json)

    if not with_letters(work):
        sys.exit(FAILED)


def _check_consent(order: Order, *, yes: bool) -> None:
    """Raise `UsageError` where a script has not stated all that a person would be asked for."""
    has_terminal = person.has_terminal()
    needed = [] if yes or has_terminal else ["--yes"]
    if order.action in _NEED_REASON and not order.reason and (yes or not has_terminal):
        needed.append("--reason")
    if needed:
        raise UsageError(f"nothing was {_PAST[order.action]}: without asking it needs {' and '.join(needed)}")


def _ask(order: Order, count: int) -> Order:
    """Return the order with its reason. Raises `typer.Abort` where the answer is no."""
    if order.action in _NEED_REASON and not order.reason:
        order = replace(order, reason=person.ask("Reason, for the audit log"))
    person.confirm(f"{order.action.capitalize()} {counted(count, 'dead letter')}?")
    return order


def _print_preview(wanted: LetterFilter, action: Action, preview: Preview) -> None:
    typer.echo(f"{counted(preview.count, 'dead letter')} to {action}")
    if preview.count:
        typer.echo(f"last failed from {moment(preview.oldest)} to {moment(preview.newest)}, by cause:")
        print_groups(preview.groups)
        if left := preview.count - sum(group.count for group in preview.groups):
            typer.echo(f"… and {left:,} more in smaller groups")
    for why, count in preview.skipped.items():
        if count:
            typer.echo(f"{count:,} skipped: {why}")
    unknown = len(set(wanted.ids or ())) - preview.count - sum(preview.skipped.values())
    if unknown > 0:
        typer.echo(f"{unknown:,} of the ids are not among the dead letters that the other options choose")


def _as_json(preview: Preview) -> msgspec.Raw:
    return msgspec.Raw(rows.preview_to_json(preview))


def _print_changed(action: Action, preview: Preview, count: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"preview": _as_json(preview), "changed": count})
    else:
        typer.echo(f"{_PAST[action]}: {counted(count, 'dead letter')}")


async def _end_with_job(letters: LetterUseCases, preview: Preview, job: Job, *, follow: bool, as_json: bool) -> bool:
    """Print the job, in the end if it is followed; return whether it ended well as far as that is known."""
    if follow:
        found = await follow_to_end(letters.jobs, job.id)
        if as_json:
            print_json({"preview": _as_json(preview), "job": msgspec.Raw(job_rows.full_to_json(found))})
        else:
            print_job(found)
        return ended_well(found.job)
    if as_json:
        print_json({"preview": _as_json(preview), "job": msgspec.Raw(job_rows.to_json(job))})
    else:
        typer.echo(f"job {job.id}: {counted(job.letters, 'dead letter')}")
        typer.echo(f"`user-events dlq jobs {job.id} --follow` shows how it goes on", err=True)
    return True
