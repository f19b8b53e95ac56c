"""Where and when an event happened, the indexes of the listing, and the letters too large for their topic.

The predecessor may be writing meanwhile: columns are nullable, and indexes are built without blocking writers.
"""

from alembic import op

from adapters.postgres.schema.migrations import indexes

revision = "0002"
down_revision = "0001"


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
    with indexes.unhurried():
        indexes.build("events_created_at_id_idx", "events", "created_at, id")
        indexes.build("events_user_id_created_at_idx", "events", "user_id, created_at")
