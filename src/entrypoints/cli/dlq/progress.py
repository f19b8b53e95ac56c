"""Progress on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from entrypoints.cli.dlq.screen import clean, console

_MAX_NOTE_CHARS = 100
_LINE_SECONDS = 5.0


class Report(Protocol):
    """Takes how much is done, how much there is to do (None: unknown), and what happens at the moment."""

    def __call__(self, done: int, total: int | None, note: str = "") -> None: ...


@contextmanager
def progress(what: str, *, as_bar: bool = True) -> Iterator[Report]:
    """Show progress on stderr: a bar on a terminal, otherwise a line each five seconds."""
    screen = console(err=True)
    if not (screen.is_terminal and as_bar):
        yield _Lines(what)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task(what, total=None)

        def report(done: int, total: int | None, note: str = "") -> None:
            bar.update(task, completed=done, total=total, description=_described(what, note))

        yield report


class _Lines:
    """Progress for files and pipes."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._printed_at = monotonic()

    def __call__(self, done: int, total: int | None, note: str = "") -> None:
        if monotonic() - self._printed_at >= _LINE_SECONDS:
            self._printed_at = monotonic()
            of_all = "" if total is None else f" of {total:,}"
            typer.echo(f"{_described(self._what, note)}: {done:,}{of_all}", err=True)


def _described(what: str, note: str) -> str:
    return f"{what} ({clean(note, _MAX_NOTE_CHARS)})" if note else what
