"""Rows as JSON, as lines of JSON (NDJSON) and as CSV."""

import csv
from collections.abc import Iterable, Sequence
from datetime import datetime
from io import StringIO
from uuid import UUID

import msgspec

from adapters.wire import render_time
from application.listing import StoredEvent

NDJSON = "application/x-ndjson"
NDJSON_TYPES = (NDJSON, "application/ndjson")
"""Neither name is registered, and clients use both."""
CSV = "text/csv"

_COLUMNS = ("id", "user_id", "event_type", "payload", "created_at", "occurred_at")
_BOM = "\ufeff".encode()
"""Tells Excel that a CSV file is UTF-8."""
_ESCAPED_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20'")
"""What a spreadsheet takes for the start of a formula, and the apostrophe that keeps it from doing so."""


class _Row(msgspec.Struct):
    id: UUID
    user_id: str
    event_type: str
    payload: msgspec.Raw
    created_at: str | None
    occurred_at: str | None


_encoder = msgspec.json.Encoder()


def to_json(rows: Sequence[StoredEvent]) -> bytes:
    """Render an array; payloads stand in it as they are in the store."""
    return _encoder.encode([_row(row, _payload(row)) for row in rows])


def to_json_object(row: StoredEvent) -> bytes:
    """Render one row."""
    return _encoder.encode(_row(row, _payload(row)))


def to_ndjson(rows: Iterable[StoredEvent]) -> bytes:
    """Render one line a row."""
    return _encoder.encode_lines([_row(row, _on_one_line(_payload(row))) for row in rows])


def to_csv(rows: Iterable[StoredEvent]) -> bytes:
    """Render RFC 4180 without a header line."""
    return _csv(
        (
            str(row.id),
            row.user_id,
            row.event_type,
            "" if row.payload is None else row.payload,
            _time(row.created_at) or "",
            _time(row.occurred_at) or "",
        )
        for row in rows
    )


def csv_header(*, has_bom: bool) -> bytes:
    """Render the header line."""
    return (_BOM if has_bom else b"") + _csv([_COLUMNS])


def _csv(lines: Iterable[Sequence[str]]) -> bytes:
    buffer = StringIO(newline="")
    csv.writer(buffer).writerows([_disarm(cell) for cell in line] for line in lines)
    return buffer.getvalue().encode()


def _disarm(cell: str) -> str:
    """Keep a spreadsheet from taking what a client wrote for a formula; no two cells become the same."""
    return f"'{cell}" if cell.startswith(_ESCAPED_STARTS) else cell


def _row(row: StoredEvent, payload: str) -> _Row:
    return _Row(
        row.id, row.user_id, row.event_type, msgspec.Raw(payload), _time(row.created_at), _time(row.occurred_at)
    )


def _payload(row: StoredEvent) -> str:
    return "null" if row.payload is None else row.payload


def _on_one_line(payload: str) -> str:
    if "\n" in payload or "\r" in payload:
        return msgspec.json.format(payload, indent=-1)
    return payload


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else render_time(moment)
