"""Runs the work of a subcommand on the service's database."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from application.dead_letters.jobs import NotPossible
from application.dead_letters.orders import CountChanged
from application.ports import NotEditable
from entrypoints.cli.run import read_target, run
from entrypoints.config.errors import CannotRun
from entrypoints.container import assembled
from entrypoints.processes.dead_letters import DeadLetterTools

_ResultT = TypeVar("_ResultT")


def with_tools(work: Callable[[DeadLetterTools], Awaitable[_ResultT]]) -> _ResultT:
    """Do work with the tools of the service that the environment names; errors become exit codes."""
    settings = read_target()

    async def opened() -> _ResultT:
        async with assembled(settings, lambda container: container.dead_letter_tools()) as tools:
            try:
                return await work(tools)
            except (CountChanged, NotPossible, NotEditable) as error:
                raise CannotRun(str(error)) from error

    return run(opened())
