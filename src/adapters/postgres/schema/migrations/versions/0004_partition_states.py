"""What outlives a consumer, for each partition that a group reads."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE partition_states (
            group_name TEXT NOT NULL,
            topic TEXT NOT NULL,
            partition INT NOT NULL,
            owner UUID,
            position BIGINT,
            attempts INT NOT NULL DEFAULT 0,
            marked_offset BIGINT,
            in_hand BOOLEAN NOT NULL DEFAULT FALSE,
            deaths INT NOT NULL DEFAULT 0,
            stop_kind TEXT,
            stop_offset BIGINT,
            stop_reason TEXT,
            stopped_at TIMESTAMPTZ,
            resumed_at TIMESTAMPTZ,
            PRIMARY KEY (group_name, topic, partition)
        )
    """)
