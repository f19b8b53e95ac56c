"""The person who runs a command: their name for the audit log, and whether they can be asked."""

import getpass
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from domain.payload_schema import one_line
from entrypoints.config.errors import UsageError

_MAX_NAME_CHARS = 100


def who() -> str:
    """Name the person for the audit log: `cli:user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "unknown"
    return f"cli:{_name(user)}@{_name(socket.gethostname())}"


def has_terminal() -> bool:
    """Tell whether there is a person to ask."""
    return sys.stdin.isatty()


def need_terminal(what: str, remedy: str) -> None:
    """Raise `UsageError` where nobody can be asked: `what` was not done, `remedy` does it without asking."""
    if not has_terminal():
        raise UsageError(f"{what}: there is no terminal to ask on; {remedy}")


def confirm(question: str, *, default: bool = False) -> None:
    """Ask for consent on stderr. Raises `typer.Abort` where it is not given."""
    with _interruptible():
        typer.confirm(question, default=default, abort=True, err=True)


def ask(question: str) -> str:
    """Ask for a line of text on stderr. Raises `typer.Abort` where there is none."""
    with _interruptible():
        answer: str = typer.prompt(question, err=True)
        return one_line(answer)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a question at once: an event loop would only cancel its task, which is asking."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _name(text: str) -> str:
    return one_line(text[:_MAX_NAME_CHARS].encode(errors="replace").decode())
