"""Runs the work of a subcommand on the service's database."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from application.dead_letters.jobs import NotPossible
from application.dead_letters.orders import CountChanged
from application.dead_letters.rebuild_index import RebuildIndex
from application.dead_letters.use_cases import LetterUseCases
from application.ports import NotEditable
from entrypoints.cli.run import read_target, run
from entrypoints.config.errors import CannotRun
from entrypoints.container import Container, assembled

_PartT = TypeVar("_PartT")
_ResultT = TypeVar("_ResultT")


def with_letters(work: Callable[[LetterUseCases], Awaitable[_ResultT]]) -> _ResultT:
    """Do work with the use cases of the service that the environment names; errors become exit codes."""
    return _with(lambda container: container.letter_use_cases(), work)


def with_rebuild(work: Callable[[RebuildIndex], Awaitable[_ResultT]]) -> _ResultT:
    """Do work with what rebuilds the index; errors become exit codes."""
    return _with(lambda container: container.rebuild_index(), work)


def _with(choose: Callable[[Container], _PartT], work: Callable[[_PartT], Awaitable[_ResultT]]) -> _ResultT:
    settings = read_target()

    async def opened() -> _ResultT:
        async with assembled(settings, choose) as part:
            try:
                return await work(part)
            except (CountChanged, NotPossible, NotEditable) as error:
                raise CannotRun(str(error)) from error

    return run(opened())
