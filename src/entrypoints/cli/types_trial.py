"""Tests events against types and schemas, and counts what is wrong with them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from domain.event_types import EventType, EventTypes
from domain.payload_rules import check_payload
from domain.payload_schema import PayloadSchema, Violation, one_line

_ABSENT = msgspec.Raw(b"null")


class _Event(msgspec.Struct):
    """The body of a request, or a record: both have these names."""

    eventType: object = None  # noqa: N815 - the name in JSON
    payload: msgspec.Raw = _ABSENT


_decoder = msgspec.json.Decoder(_Event)


class _Finding(NamedTuple):
    """One kind of violation, named as in the `errors` of a problem; the pointer is the place of a violation."""

    type: str
    """Empty if it is not known."""
    field: str
    expected: str
    pointer: str = ""
    keyword: str = ""


class Trial:
    """The counts of one test."""

    def __init__(self, types: EventTypes, schemas: Mapping[EventType, PayloadSchema]) -> None:
        self._types = types
        self._schemas = schemas
        self._events = 0
        self._with_findings = 0
        self._counts: Counter[_Finding] = Counter()

    @property
    def has_findings(self) -> bool:
        """Whether any event has a violation."""
        return bool(self._counts)

    def add(self, text: bytes) -> None:
        """Test one event, in JSON."""
        self._events += 1
        found = set(self._findings(text))
        self._counts.update(found)
        self._with_findings += bool(found)

    def as_json(self) -> dict[str, object]:
        """Return the counts, the most frequent violations first."""
        violations = [{**finding._asdict(), "events": count} for finding, count in self._counts.most_common()]
        return {"events": self._events, "withViolations": self._with_findings, "violations": violations}

    def lines(self) -> Iterator[str]:
        """Yield the same as text."""
        for finding, count in self._counts.most_common():
            place = f"{finding.field}{finding.pointer}"
            keyword = f" ({finding.keyword})" if finding.keyword else ""
            yield one_line(f"{count:>9}  {finding.type or 'events'}: {place} {finding.expected}{keyword}")
        yield f"{self._events:>9}  events, {self._with_findings} of them with violations"

    def _findings(self, text: bytes) -> Iterator[_Finding]:
        try:
            text.decode()
            event = _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield _Finding("", "body", "must be a JSON object")
            return
        try:
            name = self._types.parse(event.eventType)
        except ValueError as error:
            yield _Finding("", "eventType", str(error))
            return
        payload = bytes(event.payload)
        try:
            payload = check_payload(b"{}" if payload == b"null" else payload)
        except ValueError as error:
            yield _Finding(name, "payload", str(error))
            return
        schema = self._schemas.get(name)
        for violation in () if schema is None else schema.violations(payload):
            yield _finding(name, violation)


def _finding(name: EventType, violation: Violation) -> _Finding:
    return _Finding(name, "payload", violation.expected, violation.place, violation.keyword)
