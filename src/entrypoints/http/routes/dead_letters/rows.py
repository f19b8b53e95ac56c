"""Dead letters, groups of them and previews as JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from adapters.records.codec import from_milliseconds, render_time
from application.dead_letters.letters import Letter, LetterGroup, LetterOrigin, LetterState
from application.dead_letters.orders import Preview, Skipped

SKIPPED: Final[Mapping[Skipped, str]] = {
    Skipped.STATE: "state",
    Skipped.CONFLICT: "conflict",
    Skipped.MAX_REPLAYS: "maxReplays",
    Skipped.FOREIGN: "foreign",
}

_encoder = msgspec.json.Encoder()


class OriginRow(msgspec.Struct, rename="camel"):
    topic: str
    partition: int
    offset: int
    timestamp: str | None


class PositionRow(msgspec.Struct):
    partition: int
    offset: int


class LetterRow(msgspec.Struct, rename="camel"):
    id: str
    state: LetterState
    kind: str
    error_class: str | None
    message: str | None
    sqlstate: str | None
    fingerprint: str
    event_id: UUID | None
    user_id: str | None
    event_type: str | None
    attempts: int
    replays: int
    edits: int
    origin: OriginRow | None
    dlq: PositionRow | None
    oversize_letter: int | None
    first_failed_at: str
    failed_at: str
    changed_at: str
    value_bytes: int | None


class GroupRow(msgspec.Struct, rename="camel"):
    fingerprint: str
    kind: str
    error_class: str | None
    message: str | None
    count: int
    users: int
    first_failed_at: str
    failed_at: str
    oldest: str
    sample: str


class _SkippedRow(msgspec.Struct):
    reason: str
    detail: str
    count: int


class _PreviewRow(msgspec.Struct):
    count: int
    groups: Sequence[GroupRow]
    oldest: str | None
    newest: str | None
    sample: Sequence[str]
    skipped: Sequence[_SkippedRow]


def to_json(letters: Sequence[Letter]) -> bytes:
    """Render a page."""
    return _encoder.encode([*map(letter_row, letters)])


def groups_to_json(groups: Sequence[LetterGroup]) -> bytes:
    """Render groups."""
    return _encoder.encode([*map(_group_row, groups)])


def preview_to_json(preview: Preview) -> bytes:
    """Render what an order would do."""
    skipped = [_SkippedRow(SKIPPED[why], why, count) for why, count in preview.skipped.items() if count]
    groups = [*map(_group_row, preview.groups)]
    oldest, newest = time(preview.oldest), time(preview.newest)
    return _encoder.encode(_PreviewRow(preview.count, groups, oldest, newest, preview.sample, skipped))


def letter_row(letter: Letter) -> LetterRow:
    """Make the row of a list."""
    return LetterRow(
        id=letter.id,
        state=letter.state,
        kind=letter.kind,
        error_class=letter.error_class,
        message=letter.message,
        sqlstate=letter.sqlstate,
        fingerprint=letter.fingerprint,
        event_id=letter.event_id,
        user_id=letter.user_id,
        event_type=letter.event_type,
        attempts=letter.attempts,
        replays=letter.replays,
        edits=letter.edits,
        origin=None if letter.origin is None else _origin_row(letter.origin),
        dlq=position(letter.dlq_partition, letter.dlq_offset),
        oversize_letter=oversize_letter(letter.dlq_partition, letter.dlq_offset),
        first_failed_at=render_time(letter.first_failed_at),
        failed_at=render_time(letter.failed_at),
        changed_at=render_time(letter.changed_at),
        value_bytes=letter.value_bytes,
    )


def position(partition: int, offset: int) -> PositionRow | None:
    """Return where the DLQ has a letter; None for one that it refused."""
    return None if partition < 0 else PositionRow(partition, offset)


def oversize_letter(partition: int, offset: int) -> int | None:
    """Return the number of a letter that the DLQ refused; None for others."""
    return offset if partition < 0 else None


def time(moment: datetime | None) -> str | None:
    """Render a time, if there is one."""
    return None if moment is None else render_time(moment)


def _origin_row(origin: LetterOrigin) -> OriginRow:
    return OriginRow(origin.topic, origin.partition, origin.offset, time(from_milliseconds(origin.timestamp)))


def _group_row(group: LetterGroup) -> GroupRow:
    return GroupRow(
        group.fingerprint,
        group.kind,
        group.error_class,
        group.message,
        group.count,
        group.users,
        render_time(group.first_failed_at),
        render_time(group.failed_at),
        render_time(group.oldest),
        group.sample,
    )
