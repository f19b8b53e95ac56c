"""The command `user-events`: its subcommands and their options.

Each subcommand imports its own module, so that the help, the shell completion and `config` load no server library.
"""

import json
from datetime import datetime
from typing import Annotated

import typer

from domain.payload_schema import one_line
from entrypoints.cli.dlq.commands import commands as dlq_commands
from entrypoints.cli.dlq.options import parse_moment, parse_text
from entrypoints.cli.types_commands import commands as types_commands
from entrypoints.config.program import commit, release

cli = typer.Typer(
    help="User activity events: HTTP in, Kafka between, each event exactly once in PostgreSQL.",
    epilog="All settings are environment variables: see `user-events config`. Beside a running `make run` commands "
    "connect to its servers, unless DB_HOST is set.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
cli.add_typer(types_commands, name="types")
cli.add_typer(dlq_commands, name="dlq")


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"user-events {release()} (commit {commit()})")
        raise typer.Exit


UntilEof = Annotated[bool, typer.Option("--until-eof", hidden=True, help="Stop when stdin ends.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Since = Annotated[
    datetime | None,
    typer.Option("--from", parser=parse_moment, metavar="TIME", help="Start, for instance 2026-11-22T12:00Z."),
]
Until = Annotated[datetime | None, typer.Option("--to", parser=parse_moment, metavar="TIME", help="End, exclusive.")]


@cli.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Show version and commit, and exit."),
    ] = False,
) -> None:
    """Accept the options before a subcommand."""
    del version


@cli.command()
def api(*, until_eof: UntilEof = False) -> None:
    """Serve HTTP: publish events to the log, list stored events."""
    from entrypoints.cli.service import run_process

    run_process("api", until_eof=until_eof)


@cli.command()
def consumer(*, until_eof: UntilEof = False) -> None:
    """Move events from the log into the database."""
    from entrypoints.cli.service import run_process

    run_process("consumer", until_eof=until_eof)


@cli.command()
def dev() -> None:
    """Run everything on this machine: api, consumer and, unless given, the log and the database."""
    from entrypoints.cli.service import run_on_this_machine

    run_on_this_machine()


@cli.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    from entrypoints.cli.deployment import migrate

    migrate()


@cli.command()
def topics(*, as_json: AsJson = False) -> None:
    """Create the missing topics in Kafka and check the others."""
    from entrypoints.cli.deployment import topics

    topics(as_json=as_json)


@cli.command()
def resume(
    *,
    partition: Annotated[list[int] | None, typer.Option(min=0, help="Only this one; may be repeated.")] = None,
    reason: Annotated[str | None, typer.Option(parser=one_line, metavar="TEXT", help="Why, for the audit log.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the halted partitions.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the halted partitions, ask, and resume them.

    Without a terminal to ask on nothing is changed unless --yes is given.
    """
    from entrypoints.cli.resume import resume

    resume(partition, reason=reason or "", yes=yes, dry_run=dry_run, as_json=as_json)


@cli.command()
def audit(since: Since = None, until: Until = None, *, as_json: AsJson = False) -> None:
    """Prove that each record of the log is in the table or among the dead letters; exit code 1 when one is missing."""
    if since is not None and until is not None and since > until:
        raise typer.BadParameter("--from must not be later than --to")
    from entrypoints.cli.audit import audit

    audit(since, until, as_json=as_json)


@cli.command("audit-log")
def audit_log(
    *,
    action: Annotated[
        str | None, typer.Option(parser=parse_text, metavar="ACTION", help="Only these: replay, edit, resume, …")
    ] = None,
    who: Annotated[
        str | None, typer.Option(parser=parse_text, metavar="WHO", help="Only by this one: api, auto or cli:user@host.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Most entries.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one entry a line.")] = False,
) -> None:
    """List who has changed what, the latest first."""
    from entrypoints.cli.audit_log import audit_log

    audit_log(limit, action, who, as_json=as_json)


@cli.command()
def config(*, as_json: AsJson = False) -> None:
    """Print every setting, secrets masked; fails when one is wrong."""
    from entrypoints.cli.run import read_target

    shown = read_target().shown()
    typer.echo(json.dumps(shown) if as_json else "\n".join(f"{name}={value}" for name, value in shown.items()))


def main() -> None:
    """Run the command line: exit 0 on success, 1 on failure, 2 when it was called or configured wrongly."""
    cli()
