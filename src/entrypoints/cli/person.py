"""The person who runs a command: their name for the audit log, and whether they can be asked."""

import getpass
import socket
import sys

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


def _name(text: str) -> str:
    return one_line(text[:_MAX_NAME_CHARS].encode(errors="replace").decode())
