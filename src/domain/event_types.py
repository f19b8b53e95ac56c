"""Which types of events the service accepts."""

import re
from collections.abc import Iterable
from typing import NewType

EventType = NewType("EventType", str)
"""A type's name that `EventTypes.parse` or `event_type` has checked."""

NAME_PATTERN = "[A-Za-z][A-Za-z0-9_.:-]{0,63}"
"""A regular expression, of which engines have the same opinion."""
_NAME = re.compile(NAME_PATTERN, re.ASCII)
_NO_NAME = "must begin with a letter and have at most 64 letters, digits, or any of _ . : -"
_ANY = "*"
_MAX_LISTED = 20
"""A message names no more types than these."""
_MAX_REMEMBERED = 1_000


def event_type(value: object) -> EventType:
    """Check a type's name. Raises `ValueError` with what a person should mend."""
    if not isinstance(value, str):
        raise ValueError("must be a string")
    if _NAME.fullmatch(value) is None:
        raise ValueError(_NO_NAME)
    return EventType(value)


class EventTypes:
    """The accepted types in the order in which they were listed, or any type."""

    def __init__(self, names: Iterable[EventType], *, accepts_any: bool = False) -> None:
        self.names: tuple[EventType, ...] = tuple(dict.fromkeys(names))
        self.accepts_any = accepts_any
        self.known: dict[object, EventType] = {name: name for name in self.names}
        """Names that need no check: the listed ones, and those that `parse` has accepted as any type."""

    @classmethod
    def of(cls, text: str) -> "EventTypes":
        """Read a comma list of names, or `*` for any. Raises `ValueError` with what a person should mend."""
        names = [name.strip() for name in text.split(",")]
        if names == [_ANY]:
            return cls((), accepts_any=True)
        try:
            return cls(map(event_type, names))
        except ValueError as error:
            raise ValueError(f"must be {_ANY} or a comma list of types, each of which {error}") from None

    def including(self, names: Iterable[EventType]) -> "EventTypes":
        """Return these types and, behind them, `names`; a type that has a schema need not be listed again."""
        return EventTypes((*self.names, *names), accepts_any=self.accepts_any)

    def parse(self, value: object) -> EventType:
        """Read the type of an event. Raises `ValueError` with what a person should mend."""
        known = self.known.get(value) if isinstance(value, str) else None
        if known is not None:
            return known
        if self.accepts_any:
            checked = event_type(value)
            if len(self.known) < _MAX_REMEMBERED:
                self.known[checked] = checked
            return checked
        listed = ", ".join(self.names[:_MAX_LISTED])
        rest = len(self.names) - _MAX_LISTED
        raise ValueError(f"must be one of {listed}" + (f" and {rest} more" if rest > 0 else ""))

    def __str__(self) -> str:
        """Return the comma list that `of` reads."""
        return _ANY if self.accepts_any else ",".join(self.names)


LEGACY_TYPES = EventTypes(map(event_type, ("LOGIN", "LOGOUT", "PRODUCT_VIEW")))
"""The types of the legacy service, which are the default."""
ANY_TYPE = EventTypes((), accepts_any=True)
