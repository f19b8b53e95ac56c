"""The statements that note dead letters, and the columns that they take: one array each, by way of `columns`."""

from collections.abc import Callable, Sequence

import msgspec

from application.dead_letters.letters import ReadLetter

_WITH_GIVEN = """
WITH given AS (
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::int[], $7::bigint[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::text[], $13::uuid[], $14::text[], $15::text[], $16::int[], $17::int[],
        $18::int[], $19::timestamptz[], $20::timestamptz[], $21::bytea[], $22::bytea[], $23::text[]
    ) AS given (
        id, topic, partition, "offset", "timestamp", dlq_partition, dlq_offset, kind, error_class,
        message, sqlstate, fingerprint, event_id, user_id, event_type, attempts, replays,
        edit, first_failed_at, failed_at, key, value, headers
    )
)
{}
"""
INSERT = _WITH_GIVEN.format("""
INSERT INTO dead_letters (
    id, topic, partition, "offset", "timestamp", dlq_partition, dlq_offset, kind, error_class, message, sqlstate,
    fingerprint, event_id, user_id, event_type, attempts, failed_replay, failed_edit, replays,
    first_failed_at, failed_at, changed_at, key, value, headers
)
SELECT
    id, topic, partition, "offset", "timestamp", dlq_partition, dlq_offset, kind, error_class, message, sqlstate,
    fingerprint, event_id, user_id, event_type, attempts, replays, edit, replays,
    first_failed_at, failed_at, failed_at, key, value, headers::json
FROM given ORDER BY id COLLATE "C"
ON CONFLICT (id) DO NOTHING
RETURNING id
""")
LOCK = """
SELECT id, "timestamp", failed_replay, first_failed_at FROM dead_letters
WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE
"""
# A record that was noted later than one of a later replay, as those of several partitions may be: it is the original
# one if none of an earlier replay was noted. What an edit says of the event stays.
ORIGINAL = _WITH_GIVEN.format("""
UPDATE dead_letters AS letter SET
    topic = given.topic, partition = given.partition, "offset" = given."offset", "timestamp" = given."timestamp",
    key = given.key, value = given.value, headers = given.headers::json,
    event_id = CASE WHEN edits = 0 THEN given.event_id ELSE letter.event_id END,
    user_id = CASE WHEN edits = 0 THEN given.user_id ELSE letter.user_id END,
    event_type = CASE WHEN edits = 0 THEN given.event_type ELSE letter.event_type END
FROM given
WHERE letter.id = given.id AND NOT EXISTS (
    SELECT FROM dead_letter_attempts AS noted WHERE noted.letter_id = letter.id AND noted.replays <= given.replays
)
""")
EARLIER = """
UPDATE dead_letters AS letter SET first_failed_at = given.first_failed_at
FROM unnest($1::text[], $2::timestamptz[]) AS given (id, first_failed_at)
WHERE letter.id = given.id
"""
# While a later replay than the one that failed is ordered, that one decides on the state.
LATER = """
UPDATE dead_letters AS letter SET
    state = CASE WHEN given.replays < letter.replays THEN letter.state ELSE 'dead' END,
    changed_at = CASE WHEN given.replays < letter.replays THEN letter.changed_at ELSE given.failed_at END,
    dlq_partition = given.dlq_partition, dlq_offset = given.dlq_offset, kind = given.kind,
    error_class = given.error_class, message = given.message, sqlstate = given.sqlstate,
    fingerprint = given.fingerprint, attempts = given.attempts, failed_replay = given.replays,
    failed_edit = given.edit, replays = greatest(letter.replays, given.replays), failed_at = given.failed_at
FROM unnest(
    $1::text[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::int[],
    $10::int[], $11::int[], $12::timestamptz[]
) AS given (
    id, dlq_partition, dlq_offset, kind, error_class, message, sqlstate, fingerprint, attempts, replays, edit, failed_at
)
WHERE letter.id = given.id
"""
ATTEMPTS = """
INSERT INTO dead_letter_attempts (
    letter_id, dlq_partition, dlq_offset, kind, error_class, message, sqlstate, attempts, replays, edit, failed_at
)
SELECT letter_id, dlq_partition, dlq_offset, kind, error_class, message, sqlstate, attempts, replays, edit, failed_at
FROM unnest(
    $1::text[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::int[],
    $10::int[], $11::int[], $12::timestamptz[]
) AS given (
    letter_id, dlq_partition, dlq_offset, kind, error_class, message, sqlstate, fingerprint, attempts, replays, edit,
    failed_at
)
ORDER BY dlq_partition, dlq_offset
ON CONFLICT (dlq_partition, dlq_offset) DO NOTHING
"""
OUTCOMES = """
UPDATE dead_letter_job_items AS item SET state = 'dead', why = failed.why, changed_at = clock_timestamp()
FROM (
    SELECT own.job_id, own.place, given.why
    FROM unnest($1::text[], $2::int[], $3::text[]) AS given (letter_id, replay, why)
    JOIN dead_letter_job_items AS own ON own.letter_id = given.letter_id AND own.replay = given.replay
    JOIN dead_letter_jobs AS job ON job.id = own.job_id
    WHERE job.action = 'replay' AND own.state IN ('waiting', 'sending', 'replayed', 'stored')
    ORDER BY own.job_id, own.place FOR UPDATE OF own
) AS failed
WHERE item.job_id = failed.job_id AND item.place = failed.place
"""

_encode = msgspec.json.Encoder().encode


def columns(letters: Sequence[ReadLetter], row: Callable[[ReadLetter], tuple[object, ...]]) -> tuple[list[object], ...]:
    """Turn rows into columns; `letters` must not be empty."""
    return tuple(map(list, zip(*map(row, letters), strict=True)))


def content(letter: ReadLetter) -> tuple[object, ...]:
    """Render a row for `INSERT` and `ORIGINAL`."""
    return (
        letter.id,
        *(letter.origin or (None, None, None, None)),
        letter.dlq_partition,
        letter.dlq_offset,
        letter.kind,
        letter.error_class,
        letter.message,
        letter.sqlstate,
        letter.fingerprint,
        letter.event_id,
        letter.user_id,
        letter.event_type,
        letter.attempts,
        letter.replays,
        letter.edit,
        letter.first_failed_at,
        letter.failed_at,
        letter.key,
        letter.value,
        # Values, which may be any bytes, in base64.
        _encode(letter.headers).decode(),
    )


def failure(letter: ReadLetter) -> tuple[object, ...]:
    """Render a row for `LATER` and `ATTEMPTS`."""
    return (
        letter.id,
        letter.dlq_partition,
        letter.dlq_offset,
        letter.kind,
        letter.error_class,
        letter.message,
        letter.sqlstate,
        letter.fingerprint,
        letter.attempts,
        letter.replays,
        letter.edit,
        letter.failed_at,
    )


def beginning(letter: ReadLetter) -> tuple[object, ...]:
    """Render a row for `EARLIER`."""
    return letter.id, letter.first_failed_at


def outcome(letter: ReadLetter) -> tuple[object, ...]:
    """Render a row for `OUTCOMES`."""
    return letter.id, letter.replays, letter.message or letter.kind
