"""What an event may be: the one validator, called for requests and for records alike.

Everything that passes here can be stored by PostgreSQL as `uuid`, `text`, `timestamptz` and `jsonb`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

from domain.event import UserEvent
from domain.event_types import EventType, EventTypes
from domain.payload_rules import check_payload
from domain.payload_schema import PayloadSchema, Violation
from domain.times import parse_time

OnAccepted = Callable[[EventType, Sequence[Violation]], object]
"""Is told of the violations of one event that its schema accepts."""

MAX_USER_ID_CHARS = 512
"""Keeps an index row on `user_id` below PostgreSQL's limit of 2,704 bytes, whatever the characters."""

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_MAX_UUID = (1 << 128) - 1
_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one field; `field` is the field's name in requests and records."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class PayloadProblem(Problem):
    """A rule of a schema that the payload breaks: at `pointer`, as `#/payload/price`, the schema's `keyword`."""

    pointer: str
    keyword: str


class Invalid(Exception):
    """The input is no event; `problems` names everything that is wrong with it."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
        self.problems = problems


class EventRules:
    """What an event may be: the one place of rules, for requests and for records.

    Threads may share it. A type without a schema may have any payload.
    """

    def __init__(
        self,
        types: EventTypes,
        schemas: Mapping[EventType, PayloadSchema] = MappingProxyType({}),
        on_accepted: OnAccepted = lambda *_: None,
    ) -> None:
        self._known = types.known
        self._parse_type = types.parse
        self._schemas = schemas
        self._on_accepted = on_accepted

    def validate(
        self, event_id: object, user_id: object, event_type: object, timestamp: object, payload: bytes
    ) -> UserEvent:
        """Make an event of untrusted fields.

        `payload` is the bytes of one JSON value that a decoder has skipped over: its syntax is right, its content is
        not yet known. `event_id` and `timestamp` may be text or already parsed; a `timestamp` of None is not known.

        Raises `Invalid` with every problem.
        """
        try:
            event = UserEvent(
                parse_id(event_id),
                parse_user_id(user_id),
                self._known.get(event_type) or self._parse_type(event_type),
                None if timestamp is None else parse_time(timestamp),
                check_payload(payload),
            )
        except (ValueError, TypeError):
            # Among them a type without a hash, such as a list.
            raise Invalid(*self._problems(event_id, user_id, event_type, timestamp, payload)) from None
        if self._schemas and (schema := self._schemas.get(event.event_type)) is not None:
            self._hold(event, schema)
        return event

    def _hold(self, event: UserEvent, schema: PayloadSchema) -> None:
        violations = schema.violations(event.payload)
        if violations and schema.rejects:
            raise Invalid(*map(_problem, violations))
        if violations:
            self._on_accepted(event.event_type, violations)

    def _problems(
        self, event_id: object, user_id: object, event_type: object, timestamp: object, payload: bytes
    ) -> Iterator[Problem]:
        checks: tuple[tuple[str, Callable[[Any], object], object], ...] = (
            ("eventId", parse_id, event_id),
            ("userId", parse_user_id, user_id),
            ("eventType", self._parse_type, event_type),
            ("timestamp", lambda value: value is None or parse_time(value), timestamp),
            ("payload", check_payload, payload),
        )
        wrong = []
        for field, check, value in checks:
            try:
                check(value)
            except ValueError as error:
                wrong.append(field)
                yield Problem(field, str(error))
        if "eventType" not in wrong and "payload" not in wrong:
            schema = self._schemas.get(self._parse_type(event_type))
            if schema is not None and schema.rejects:
                yield from map(_problem, schema.violations(payload))


def parse_id(value: object) -> UUID:
    """Read an event's id. Raises `ValueError` with what a person should mend."""
    if not isinstance(value, UUID):
        # UUID() also takes braces and "urn:uuid:", which PostgreSQL or a foreign consumer may not.
        if not isinstance(value, str) or _UUID.fullmatch(value) is None:
            raise ValueError("must be a UUID")
        value = UUID(value)
    if not 0 < value.int < _MAX_UUID:
        raise ValueError("must not be the nil or the max UUID, which stands for no id")
    return value


def parse_user_id(value: object) -> str:
    """Read a user's id. Raises `ValueError` with what a person should mend."""
    if not isinstance(value, str):
        raise ValueError("must be a string")
    if not value:
        raise ValueError("must not be empty")
    if len(value) > MAX_USER_ID_CHARS:
        raise ValueError(f"must have at most {MAX_USER_ID_CHARS} characters")
    if not value.isascii() and _SURROGATE.search(value):
        raise ValueError("must not hold a lone surrogate")
    if "\0" in value:
        raise ValueError("must not hold a NUL character")
    return value


def _problem(violation: Violation) -> PayloadProblem:
    return PayloadProblem("payload", violation.message, violation.fragment, violation.keyword)
