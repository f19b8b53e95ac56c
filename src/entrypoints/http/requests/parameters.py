"""Parses query parameters and rejects unknown ones: if ignored, a misspelt filter would list the wrong events."""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope

from domain.validation import Invalid, Problem

T = TypeVar("T")

_MAX_UNKNOWN = 10
"""The most unknown parameters to report; comparing names takes time."""
_MAX_SHOWN_CHARS = 64


class Parameters:
    """Reads parameters one by one and collects all problems."""

    def __init__(self, query_string: bytes, known: Sequence[str] = ()) -> None:
        text = query_string.decode(errors="surrogateescape")
        self._pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape")
        self._problems = unknown_names((name for name, _ in self._pairs), known)

    def read(self, name: str, convert: Callable[[str], T]) -> T | None:
        """Convert a parameter; None if it is absent or invalid. `check` reports invalid ones."""
        values = [value for key, value in self._pairs if key == name]
        try:
            return convert(_only(values)) if values else None
        except ValueError as error:
            self._problems.append(Problem(name, str(error)))
            return None

    def check(self) -> None:
        """Raise `Invalid` if there were problems."""
        if self._problems:
            raise Invalid(*self._problems)


def unknown_names(names: Iterable[str], known: Sequence[str]) -> list[Problem]:
    """Report names that are not among `known`, at most `_MAX_UNKNOWN` of them."""
    unknown = dict.fromkeys(name for name in names if name not in known)
    return [Problem(_shown(name), _is_unknown(name, known)) for name in islice(unknown, _MAX_UNKNOWN)]


def check_text(value: str) -> str:
    """Refuse a text that is empty, or that PostgreSQL cannot store. Raises `ValueError`."""
    if not value:
        raise ValueError("must not be empty")
    if "\0" in value:
        raise ValueError("must not hold a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must be UTF-8") from None
    return value


def reject_parameters(scope: Scope) -> None:
    """Raise `Invalid` if the request has any parameter."""
    if scope["query_string"]:
        Parameters(scope["query_string"]).check()


async def no_parameters(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard a route without parameters. It is async because the framework would run a plain function in a thread."""
    reject_parameters(connection.scope)


def _only(values: list[str]) -> str:
    value, *more = values
    if more:
        raise ValueError("must be given only once")
    return check_text(value)


def _is_unknown(name: str, known: Sequence[str]) -> str:
    if not known:
        return "is unknown; this path takes no parameters"
    by_letters = {_letters(each): each for each in known}
    near = get_close_matches(_letters(name), by_letters, 1)
    return f"is unknown; did you mean {by_letters[near[0]]}?" if near else f"is unknown; known are {', '.join(known)}"


def _letters(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _shown(name: str) -> str:
    return name[:_MAX_SHOWN_CHARS].encode(errors="surrogateescape").decode(errors="replace")
