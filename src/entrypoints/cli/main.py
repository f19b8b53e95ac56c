"""The command `user-events`."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, TextIO

import typer
import uvloop

from adapters.frequent_lines import PROCESS
from adapters.kafka.topics import TopicReport, ensure_topics
from adapters.postgres.migrate import migrate as migrate_database
from application.halted_partitions import NotHalted
from domain.errors import Unavailable, WrongDeployment
from domain.times import parse_time
from entrypoints.cli.audit import print_audit
from entrypoints.cli.resume import Consent, NotConfirmed
from entrypoints.cli.resume import resume as resume_partitions
from entrypoints.config.environment import SettingsError, load_settings
from entrypoints.config.misspelt import misspelt
from entrypoints.config.release import commit, release
from entrypoints.config.settings import Settings
from entrypoints.container import assembled, assembled_audit, assembled_halted_partitions
from entrypoints.dev.instance import spelled, target_of
from entrypoints.dev.local_postgres import LocalPostgresError
from entrypoints.dev.run import ChildFailed, dev_environment, run_dev
from entrypoints.http.server.overrides import UnknownServer
from entrypoints.http.server.serve import CannotListen
from entrypoints.processes import connections
from entrypoints.processes.lifecycle import run_until_signal
from entrypoints.processes.logs import configure_logging
from entrypoints.processes.preparation import retry_while_unavailable
from entrypoints.processes.watchdog import Hung

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 30.0
_FAILED = 1
_MISUSED = 2

cli = typer.Typer(
    help="User activity events: HTTP in, Kafka between, each event exactly once in PostgreSQL.",
    epilog="All settings are variables of the environment: see `user-events config`. Beside a running `make run` "
    "commands speak to its servers, unless DB_HOST is set.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _moment(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}") from None


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"user-events {release()} (commit {commit()})")
        raise typer.Exit


UntilEof = Annotated[bool, typer.Option("--until-eof", hidden=True, help="Stop when stdin ends.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Since = Annotated[
    datetime | None,
    typer.Option("--from", parser=_moment, metavar="TIME", help="From which time on, for instance 2026-11-22T12:00Z."),
]
Until = Annotated[datetime | None, typer.Option("--to", parser=_moment, metavar="TIME", help="Before which time.")]


@cli.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Show version and commit, and exit."),
    ] = False,
) -> None:
    """Take the options that stand before a command."""
    del version


@cli.command()
def api(*, until_eof: UntilEof = False) -> None:
    """Serve HTTP: take events into the log, list what was stored."""
    _run_process("api", until_eof=until_eof)


@cli.command()
def consumer(*, until_eof: UntilEof = False) -> None:
    """Move events from the log into the database."""
    _run_process("consumer", until_eof=until_eof)


@cli.command()
def dev() -> None:
    """Run everything on this machine: api, consumer and, unless given, the log and the database."""
    environment = dev_environment(os.environ)
    settings = _settings(environment, logs_to=sys.stdout)
    logger.info("starting", extra={"version": release(), "commit": commit()})
    with _failures_told(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        run_dev(settings, environment, runner)


@cli.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    settings = _settings_of_target()
    _run(retry_while_unavailable(lambda: migrate_database(connections.database(settings)), patience=_PATIENCE_SECONDS))
    typer.echo(f"the schema of {settings.db_name} on {settings.db_host} is up to date", err=True)


@cli.command()
def topics(*, as_json: AsJson = False) -> None:
    """Make the missing topics in Kafka and check the others."""
    settings = _settings_of_target()
    reports: list[TopicReport] = []

    async def ensure() -> None:
        reports[:] = await ensure_topics(connections.brokers(settings), connections.topics(settings))

    if settings.event_log == "postgres":
        typer.echo("nothing to do: EVENT_LOG is postgres, whose topics the service makes itself", err=True)
    else:
        _run(retry_while_unavailable(ensure, patience=_PATIENCE_SECONDS))
    if as_json:
        typer.echo(json.dumps([asdict(report) for report in reports]))
        return
    for report in reports:
        state = "made" if report.is_new else "stands"
        typer.echo(f"{report.name}: {state}, {report.partitions} partitions, replication {report.replication}")
        for warning in report.warnings:
            typer.echo(f"{report.name}: {warning}", err=True)


@cli.command()
def resume(
    *,
    partition: Annotated[list[int] | None, typer.Option(min=0, help="Only this one; may be given again.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what is halted.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the partitions that were halted for a person to look, ask, and have them read on.

    Without a terminal to ask on nothing is changed unless --yes is given.
    """
    settings = _settings_of_target()
    if dry_run:
        consent = Consent.NOT_WANTED
    elif yes:
        consent = Consent.GIVEN
    else:
        consent = Consent.ASKED if sys.stdin.isatty() else Consent.MISSING

    async def list_and_resume() -> None:
        async with assembled_halted_partitions(settings) as halted:
            await resume_partitions(halted, partition, consent, as_json=as_json)

    _run(list_and_resume())


@cli.command()
def audit(since: Since = None, until: Until = None, *, as_json: AsJson = False) -> None:
    """Prove that each record of the log is in the table or among the dead letters; exit code 1 when one is missing."""
    if since is not None and until is not None and since > until:
        raise typer.BadParameter("--from must not be later than --to")
    settings = _settings_of_target()
    is_proved = False

    async def run() -> None:
        nonlocal is_proved
        async with assembled_audit(settings) as audit_range:
            is_proved = await print_audit(audit_range(since, until), as_json=as_json)

    _run(run())
    if not is_proved:
        sys.exit(_FAILED)


@cli.command()
def config(*, as_json: AsJson = False) -> None:
    """Print every setting as it stands, secrets masked; fails when one is wrong."""
    shown = _settings_of_target().shown()
    typer.echo(json.dumps(shown) if as_json else "\n".join(f"{name}={value}" for name, value in shown.items()))


def main() -> None:
    """Run the command line: exit 0 when all went well, 1 when it failed, 2 when it was called or set up wrongly."""
    cli()


def _run_process(process: Literal["api", "consumer"], *, until_eof: bool) -> None:
    settings = _settings(logs_to=sys.stdout)
    # Whoever reads the lines of several processes together wants to tell them apart.
    PROCESS.name = process
    logger.info("starting", extra={"version": release(), "commit": commit()})

    async def run() -> None:
        async with assembled(settings, process) as assembly:
            await run_until_signal(assembly.run, grace=settings.shutdown_grace_seconds, until_eof=until_eof)

    _run(run())


def _run(work: Coroutine[Any, Any, None]) -> None:
    with _failures_told(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


@contextmanager
def _failures_told() -> Iterator[None]:
    """Tell in one line what a person has to mend."""
    try:
        yield
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        sys.exit(_MISUSED)
    except (NotHalted, NotConfirmed) as error:
        typer.echo(str(error), err=True)
        sys.exit(_MISUSED)
    except typer.Abort:
        raise
    except (Unavailable, WrongDeployment, CannotListen, UnknownServer, LocalPostgresError, ChildFailed, Hung) as error:
        logger.critical("ended: %s", error)
        sys.exit(_FAILED)
    except Exception:
        logger.critical("ended by a bug", exc_info=True)
        sys.exit(_FAILED)


def _settings_of_target() -> Settings:
    """Read the settings of a command, and say which servers it speaks to."""
    with _failures_told():
        target = target_of(os.environ)
    settings = _settings(target.environment)
    log = "the log in it" if settings.event_log == "postgres" else f"Kafka at {settings.kafka_broker}"
    database = f"PostgreSQL at {settings.db_host}:{settings.db_port}, database {settings.db_name}"
    typer.echo(f"{target.origin}: {database}, {log}", err=True)
    return settings


def _settings(environment: Mapping[str, str] = os.environ, logs_to: TextIO | None = None) -> Settings:
    """Read the settings and set up the logs; those of a command that prints data go to stderr."""
    with _failures_told():
        settings = load_settings(environment)
    program = spelled(settings.data_dir)
    configure_logging(settings.log_level, settings.log_format, logs_to or sys.stderr, program=program)
    for variable, meant in misspelt(environment):
        logger.warning("unknown environment variable", extra={"variable": variable, "did_you_mean": meant})
    return settings
