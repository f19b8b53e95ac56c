"""The statements that list, group and find letters."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.dead_letters.choice import Parameters
from application.dead_letters.letters import (
    Edit,
    FailedAttempt,
    Letter,
    LetterGroup,
    LetterInFull,
    LetterOrigin,
    LetterState,
)

_LETTER = """
letter.id, letter.state, letter.topic, letter.partition, letter."offset", letter."timestamp", letter.dlq_partition,
letter.dlq_offset, letter.kind, letter.error_class, letter.message, letter.sqlstate, letter.fingerprint,
letter.event_id, letter.user_id, letter.event_type, letter.attempts, letter.replays, letter.edits,
letter.first_failed_at, letter.failed_at, letter.changed_at,
CASE WHEN letter.edits = 0 THEN octet_length(letter.value) ELSE (
    SELECT octet_length(edit.value) FROM dead_letter_edits AS edit
    WHERE edit.letter_id = letter.id AND edit.number = letter.edits
) END AS value_bytes
"""
_NEWEST = """
SELECT {columns} FROM dead_letters AS letter WHERE {condition}
ORDER BY letter.failed_at DESC, letter.id DESC LIMIT {limit}
"""
# By users first, whose number is then known without sorting the letters. The newest letter is looked up only of groups
# that are shown.
_GROUPS = """
SELECT shown.fingerprint, sample.kind, sample.error_class, sample.message, shown.letters AS count, shown.users,
    shown.first_failed_at, shown.failed_at, shown.oldest, sample.id AS sample
FROM (
    SELECT fingerprint, sum(letters)::bigint AS letters, count(user_id) AS users,
        min(first_failed_at) AS first_failed_at, max(newest) AS failed_at, min(oldest) AS oldest
    FROM (
        SELECT letter.fingerprint, letter.user_id, count(*) AS letters,
            min(letter.first_failed_at) AS first_failed_at, max(letter.failed_at) AS newest,
            min(letter.failed_at) AS oldest
        FROM dead_letters AS letter WHERE {condition}
        GROUP BY letter.fingerprint, letter.user_id
    ) AS by_user
    GROUP BY fingerprint
    ORDER BY letters DESC, failed_at DESC, fingerprint LIMIT {limit}
) AS shown
CROSS JOIN LATERAL (
    SELECT letter.id, letter.kind, letter.error_class, letter.message FROM dead_letters AS letter
    WHERE letter.fingerprint = shown.fingerprint AND letter.failed_at = shown.failed_at AND {condition}
    ORDER BY letter.id DESC LIMIT 1
) AS sample
ORDER BY count DESC, failed_at DESC, fingerprint
"""
_FOUND = """
SELECT {columns}, letter.key, letter.value, letter.headers::text AS headers
FROM unnest($1::text[]) WITH ORDINALITY AS given (id, place) JOIN dead_letters AS letter USING (id)
ORDER BY given.place
"""
_FAILURES = """
SELECT letter_id, dlq_partition, dlq_offset, replays, edit, kind, error_class, message, sqlstate, attempts, failed_at
FROM dead_letter_attempts WHERE letter_id = ANY($1::text[])
ORDER BY failed_at, dlq_partition, dlq_offset
"""
_EDITS = """
SELECT edit.letter_id, edit.number, entry.at, entry.who, entry.reason, edit.value
FROM dead_letter_edits AS edit JOIN audit_log AS entry ON entry.id = edit.audit_id
JOIN dead_letters AS letter ON letter.id = edit.letter_id
WHERE edit.letter_id = ANY($1::text[]) AND edit.number <= letter.edits
ORDER BY edit.number
"""
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"

_decode = msgspec.json.Decoder(tuple[tuple[str, bytes | None], ...]).decode


async def see_one_moment(connection: AsyncConnection) -> None:
    """Have all statements of a transaction see the same moment: its first one."""
    await connection.exec_driver_sql(_SNAPSHOT)


async def newest(connection: AsyncConnection, condition: str, parameters: Parameters, limit: int) -> list[Letter]:
    """List letters by time of the last failure, then id, descending."""
    statement = _NEWEST.format(columns=_LETTER, condition=condition, limit=parameters.add(limit))
    return [_letter(row) for row in await connection.exec_driver_sql(statement, parameters.values)]


async def groups(connection: AsyncConnection, condition: str, parameters: Parameters, limit: int) -> list[LetterGroup]:
    """Group letters by fingerprint, the largest group first."""
    statement = _GROUPS.format(condition=condition, limit=parameters.add(limit))
    rows = (await connection.exec_driver_sql(statement, parameters.values)).mappings()
    return [LetterGroup(**row) for row in rows]


async def found(connection: AsyncConnection, letter_ids: Sequence[str]) -> list[LetterInFull]:
    """Find letters with their histories, in the order of `letter_ids`."""
    ids = ([*letter_ids],)
    rows = (await connection.exec_driver_sql(_FOUND.format(columns=_LETTER), ids)).all()
    failures: dict[str, list[FailedAttempt]] = {row.id: [] for row in rows}
    for row in await connection.exec_driver_sql(_FAILURES, ids):
        failures[row.letter_id].append(FailedAttempt._make(row[1:]))
    edits: dict[str, list[Edit]] = {row.id: [] for row in rows}
    for row in await connection.exec_driver_sql(_EDITS, ids):
        edits[row.letter_id].append(Edit._make(row[1:]))
    return [
        LetterInFull(_letter(row), row.key, row.value, _decode(row.headers), failures[row.id], edits[row.id])
        for row in rows
    ]


def _letter(row: Row[Any]) -> Letter:
    return Letter(
        id=row.id,
        state=LetterState(row.state),
        origin=None if row.topic is None else LetterOrigin(row.topic, row.partition, row.offset, row.timestamp),
        dlq_partition=row.dlq_partition,
        dlq_offset=row.dlq_offset,
        kind=row.kind,
        error_class=row.error_class,
        message=row.message,
        sqlstate=row.sqlstate,
        fingerprint=row.fingerprint,
        event_id=row.event_id,
        user_id=row.user_id,
        event_type=row.event_type,
        attempts=row.attempts,
        replays=row.replays,
        edits=row.edits,
        first_failed_at=row.first_failed_at,
        failed_at=row.failed_at,
        changed_at=row.changed_at,
        value_bytes=row.value_bytes,
    )
