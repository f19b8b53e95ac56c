"""Rows as JSON, NDJSON and CSV."""

import csv
from collections.abc import Iterable, Sequence
from datetime import datetime
from io import StringIO
from uuid import UUID

import msgspec

from adapters.records.codec import render_time
from application.listing import StoredEvent

NDJSON = "application/x-ndjson"
NDJSON_TYPES = (NDJSON, "application/ndjson")
"""Neither is registered; clients use both."""
CSV = "text/csv"

_COLUMNS = ("id", "user_id", "event_type", "payload", "created_at", "occurred_at")
_BOM = "\ufeff".encode()
"""By it Excel recognizes UTF-8."""
_ESCAPED_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20'")
"""The first characters of formulas in spreadsheets, and the apostrophe, which is our escape character."""


class _Row(msgspec.Struct):
    id: UUID
    user_id: str
    event_type: str
    payload: msgspec.Raw
    created_at: str | None
    occurred_at: str | None


_encoder = msgspec.json.Encoder()


def to_json(rows: Sequence[StoredEvent]) -> bytes:
    """Render an array."""
    return _encoder.encode([*map(_row, rows)])


def to_json_object(row: StoredEvent) -> bytes:
    """Render one row."""
    return _encoder.encode(_row(row))


def to_ndjson(rows: Iterable[StoredEvent]) -> bytes:
    """Render one line per row."""
    return _encoder.encode_lines([*map(_row, rows)])


def to_csv(rows: Iterable[StoredEvent]) -> bytes:
    """Render RFC 4180 without a header row."""
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
    """Render the header row."""
    return (_BOM if has_bom else b"") + _csv([_COLUMNS])


def _csv(lines: Iterable[Sequence[str]]) -> bytes:
    buffer = StringIO(newline="")
    csv.writer(buffer).writerows([_disarm(cell) for cell in line] for line in lines)
    return buffer.getvalue().encode()


def _disarm(cell: str) -> str:
    """Keep a spreadsheet from running a client's text as a formula; different cells stay different."""
    return f"'{cell}" if cell.startswith(_ESCAPED_STARTS) else cell


def _row(row: StoredEvent) -> _Row:
    payload = "null" if row.payload is None else row.payload
    if "\n" in payload or "\r" in payload:
        # NDJSON has a row on each line.
        payload = msgspec.json.format(payload, indent=-1)
    return _Row(
        row.id, row.user_id, row.event_type, msgspec.Raw(payload), _time(row.created_at), _time(row.occurred_at)
    )


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else render_time(moment)
