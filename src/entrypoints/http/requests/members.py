"""Reads the members of a JSON object one by one, as `Parameters` reads those of a query string."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from json import JSONDecoder
from typing import TypeVar

import msgspec

from domain.validation import Invalid, Problem
from entrypoints.http.problems import malformed_body
from entrypoints.http.requests.parameters import check_text, unknown_names

T = TypeVar("T")


class Members:
    """Reads members and collects all problems. Null is a value like others: here it would mean "everything"."""

    def __init__(self, body: bytes, known: Sequence[str]) -> None:
        """Decode `body`. Raises `HttpProblem` with 400 if it is no JSON, and `Invalid` if it is no object."""
        members, repeated = _decoded(body)
        self._problems = unknown_names(members, known)
        self._problems += [Problem(name, "must be given only once") for name in repeated if name in known]
        self._members = {name: value for name, value in members.items() if name in known}

    def read(self, name: str, convert: Callable[[str], T]) -> T | None:
        """Convert a member that is a text; None if it is absent or invalid. `check` reports invalid ones."""
        return self.read_value(name, lambda value: convert(check_text(_text(value))))

    def read_value(self, name: str, convert: Callable[[object], T]) -> T | None:
        """Convert a member of any type; None if it is absent or invalid. `check` reports invalid ones."""
        if name not in self._members:
            return None
        try:
            return convert(self._members[name])
        except ValueError as error:
            self._problems.append(Problem(name, str(error)))
            return None

    def require(self, name: str) -> None:
        """Note a problem if there is no such member."""
        if name not in self._members:
            self._problems.append(Problem(name, "must be there"))

    def require_one(self, names: Collection[str]) -> None:
        """Note a problem if there is none of these members."""
        if not any(name in self._members for name in names):
            self._problems.append(Problem("body", f"must have at least one of {', '.join(names)}"))

    def check(self) -> None:
        """Raise `Invalid` if there were problems."""
        if self._problems:
            raise Invalid(*self._problems)


def whole_number(minimum: int, maximum: int) -> Callable[[object], int]:
    """Make a function that reads a whole number within bounds."""

    def read(value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        return value

    return read


def flag(value: object) -> bool:
    """Read true or false. Raises `ValueError`."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return value


def _decoded(body: bytes) -> tuple[Mapping[str, object], Collection[str]]:
    """Return the members, and the names of those that are there more than once: a guess would choose one of them."""
    try:
        return msgspec.json.decode(body, type=dict[str, object]), _repeated(body)
    except msgspec.ValidationError:
        is_object = body.lstrip()[:1] == b"{"
        message = "must have no number that is too large" if is_object else "must be a JSON object"
        raise Invalid(Problem("body", message)) from None
    except RecursionError:
        raise Invalid(Problem("body", "must not be nested so deep")) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed_body(str(error)) from None


def _repeated(body: bytes) -> Collection[str]:
    objects: list[Counter[str]] = []
    JSONDecoder(object_pairs_hook=lambda pairs: objects.append(Counter(name for name, _ in pairs))).decode(
        body.decode()
    )
    # The outermost object ends last.
    return [name for name, count in objects[-1].items() if count > 1]
