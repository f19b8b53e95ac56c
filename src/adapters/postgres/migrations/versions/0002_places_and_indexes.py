"""Where and when an event happened, the indexes of the listing, and the letters too large for their topic.

The predecessor may be writing meanwhile: columns are nullable, and indexes are built without blocking writers.
"""

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"

INDEXES = {
    "events_created_at_id_idx": "events (created_at, id)",
    "events_user_id_created_at_id_idx": "events (user_id, created_at, id)",
}


def upgrade() -> None:
    op.execute("""
        ALTER TABLE events
            ADD COLUMN IF NOT EXISTS occurred_at TIMESTAMPTZ,
            ADD COLUMN IF NOT EXISTS log_partition INT,
            ADD COLUMN IF NOT EXISTS log_offset BIGINT
    """)
    op.execute("""
        CREATE TABLE IF NOT EXISTS oversize_letters (
            id BIGSERIAL PRIMARY KEY,
            topic TEXT NOT NULL,
            partition INT NOT NULL,
            "offset" BIGINT NOT NULL,
            "timestamp" BIGINT NOT NULL,
            key BYTEA,
            value BYTEA,
            headers JSON NOT NULL,
            kept_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
            CONSTRAINT oversize_letters_origin_key UNIQUE (topic, partition, "offset", "timestamp")
        )
    """)
    with op.get_context().autocommit_block():
        # A build waits for every transaction that was open when it began, and blocks no writer meanwhile.
        op.execute("SET lock_timeout = 0")
        for name, definition in INDEXES.items():
            # A build that was interrupted leaves an invalid index, which IF NOT EXISTS would take for a good one.
            if _is_invalid(name):
                op.execute(f"DROP INDEX CONCURRENTLY {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {definition}")
        op.execute("RESET lock_timeout")


def _is_invalid(index: str) -> bool:
    found = op.get_bind().execute(
        text("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid"), {"name": index}
    )
    return found.first() is not None
