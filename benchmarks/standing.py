"""A database with many rows, made by the server itself."""

from adapters.postgres.sessions.database import Database
from benchmarks.events import USERS
from benchmarks.servers import Servers
from tests.support.postgres import connect

_PART = 1_000_000
# Rendered like `events.payloads`; the id begins with the time, as those of version 7 do.
_FILL = """
INSERT INTO events (id, user_id, event_type, payload, created_at, occurred_at, log_partition, log_offset)
SELECT
    (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7' || substr(hash, 1, 3)
     || '8' || substr(hash, 4, 15))::uuid,
    'user-' || lpad((abs(hashint8(number)::bigint) % $4)::text, 5, '0'),
    (ARRAY['LOGIN', 'LOGOUT', 'PRODUCT_VIEW', 'PRODUCT_VIEW', 'PRODUCT_VIEW'])[1 + number % 5],
    ('{"productId":"SKU-' || lpad((number % 1000000)::text, 6, '0') || '","price":' || number % 100000
     || ',"currency":"EUR","referrer":"newsletter","session":"' || substr(hash, 1, 16)
     || '","userAgent":"Mozilla/5.0 (Windows NT 10.0; Win64) Chrome/138.0","position":' || number % 60 || '}')::jsonb,
    moment AT TIME ZONE 'UTC',
    moment,
    number % 4,
    number / 4
FROM (
    SELECT number, md5(number::text) AS hash, now() - ($3 - number) * (interval '1 year' / $3) AS moment
    FROM generate_series($1::bigint, $2::bigint) AS number
) AS made
"""
_INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition,
       (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conindid = indexrelid) AS promise
FROM pg_index WHERE indrelid = 'events'::regclass
"""


async def new_standing(servers: Servers, rows: int) -> Database:
    """Make a database with rows of the last year, indexed, vacuumed and analyzed."""
    database = await servers.new_database()
    connection = await connect(database)
    try:
        indexes = await connection.fetch(_INDEXES)
        # Built after the rows are there, they take a fraction of the time.
        for name, _definition, promise in indexes:
            drop = f"DROP INDEX {name}" if promise is None else f"ALTER TABLE events DROP CONSTRAINT {name}"
            await connection.execute(drop)
        for start in range(1, rows + 1, _PART):
            end = min(rows, start + _PART - 1)
            await connection.execute(_FILL, start, end, rows, USERS)
        for name, definition, promise in indexes:
            make = definition if promise is None else f"ALTER TABLE events ADD CONSTRAINT {name} {promise}"
            await connection.execute(make)
        await connection.execute("VACUUM ANALYZE events")
        assert await connection.fetchval("SELECT count(*) FROM events") == rows, "rows are missing"
    finally:
        await connection.close()
    return database
