"""Shared by all subcommands: read the settings, run a coroutine, turn errors into exit codes."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO, TypeVar

import typer
import uvloop

from domain.errors import Unavailable, WrongDeployment
from entrypoints.config.environment import load_settings, old_names_in
from entrypoints.config.errors import CannotRun, SettingsError, UsageError
from entrypoints.config.misspelt import misspelt
from entrypoints.config.program import command
from entrypoints.config.settings import Settings
from entrypoints.dev.instance import target_of
from entrypoints.processes.logs import configure_logging

_ResultT = TypeVar("_ResultT")

logger = logging.getLogger(__name__)

FAILED = 1
_MISUSED = 2


@contextmanager
def exit_codes() -> Iterator[None]:
    """Exit with 2 on a `UsageError` and with 1 on any other error, after one line for each problem."""
    try:
        yield
    except UsageError as error:
        typer.echo(str(error), err=True)
        sys.exit(_MISUSED)
    except (typer.Abort, BrokenPipeError):
        # The command line ends quietly by these: who reads the output may have seen enough.
        raise
    except (Unavailable, WrongDeployment, CannotRun) as error:
        logger.critical("ended: %s", error)
        sys.exit(FAILED)
    except Exception:
        logger.critical("ended by an unexpected error", exc_info=True)
        sys.exit(FAILED)


def run(work: Coroutine[Any, Any, _ResultT]) -> _ResultT:
    """Run a coroutine to its end and return its result; its errors become exit codes."""
    with exit_codes(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def read_target() -> Settings:
    """Read the settings of a subcommand, set up logs on stderr, and print the servers that it will connect to."""
    with exit_codes():
        target = target_of(os.environ)
    settings = read_settings(target.environment, logs_to=sys.stderr)
    log = "the log in it" if settings.event_log == "postgres" else f"Kafka at {settings.kafka_broker}"
    database = f"PostgreSQL at {settings.db_host}:{settings.db_port}, database {settings.db_name}"
    typer.echo(f"{target.origin}: {database}, {log}", err=True)
    return settings


def read_settings(
    environment: Mapping[str, str],
    logs_to: TextIO,
    more_problems: Callable[[Mapping[str, str]], Sequence[str]] = lambda _: (),
) -> Settings:
    """Read the settings, set up the logs, and warn about variables that are misspelt or have an old name.

    If a setting is wrong, `more_problems` is asked for what the start would fail for next, so that all is told at once.
    """
    with exit_codes():
        try:
            settings = load_settings(environment)
        except SettingsError as error:
            raise SettingsError([*error.problems, *more_problems(environment)]) from error
    configure_logging(settings.log_level, settings.log_format, logs_to, program=command(settings.data_dir))
    if old_names := old_names_in(os.environ):
        names = ", ".join(f"{old} is now {new}" for old, new in old_names.items())
        logger.warning("settings have old names, which the next release ignores", extra={"names": names})
    for variable, meant in misspelt(environment).items():
        logger.warning("unknown environment variable", extra={"variable": variable, "did_you_mean": meant})
    return settings
