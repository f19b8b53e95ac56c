"""Tests events against types and schemas, and counts what is wrong with them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from domain.event_types import EventType, EventTypes
from domain.payload_rules import check_payload
from domain.payload_schema import PayloadSchema, Violation, one_line
from domain.validation import Invalid
from entrypoints.http.requests import event_body
from entrypoints.http.requests.json_splitter import MalformedJson

_NO_OBJECT = "must be a JSON object"
_EMPTY = b"{}"
_NULL = b"null"


class _Record(msgspec.Struct):
    eventType: object = None  # noqa: N815 - the name in JSON
    payload: msgspec.Raw = msgspec.Raw(_NULL)


_decoder = msgspec.json.Decoder(_Record)


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

    def add_body(self, text: bytes) -> None:
        """Test one event as a request would be read."""
        self._add(self._findings_of_body(text))

    def add_record(self, text: bytes) -> None:
        """Test one event as a record's value would be read."""
        self._add(self._findings_of_record(text))

    def _add(self, findings: Iterator[_Finding]) -> None:
        self._events += 1
        found = set(findings)
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

    def _findings_of_body(self, text: bytes) -> Iterator[_Finding]:
        try:
            draft = event_body.parse(text)
        except MalformedJson:
            yield _Finding("", "body", _NO_OBJECT)
        except Invalid as invalid:
            yield from (_Finding("", problem.field, problem.message) for problem in invalid.problems)
        else:
            yield from self._findings(draft.event_type, _EMPTY if draft.payload is None else draft.payload)

    def _findings_of_record(self, text: bytes) -> Iterator[_Finding]:
        try:
            text.decode()
            record = _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield _Finding("", "body", _NO_OBJECT)
        else:
            payload = bytes(record.payload)
            yield from self._findings(record.eventType, _EMPTY if payload == _NULL else payload)

    def _findings(self, event_type: object, payload: bytes) -> Iterator[_Finding]:
        try:
            name = self._types.parse(event_type)
        except ValueError as error:
            yield _Finding("", "eventType", str(error))
            return
        try:
            payload = check_payload(payload)
        except ValueError as error:
            yield _Finding(name, "payload", str(error))
            return
        schema = self._schemas.get(name)
        for violation in () if schema is None else schema.violations(payload):
            yield _finding(name, violation)


def _finding(name: EventType, violation: Violation) -> _Finding:
    return _Finding(name, "payload", violation.expected, violation.place, violation.keyword)
