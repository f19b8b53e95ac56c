"""The embedded event log; empty where the log is Kafka."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE log_partitions (
            id SERIAL PRIMARY KEY,
            topic TEXT NOT NULL,
            partition INT NOT NULL,
            next_offset BIGINT NOT NULL DEFAULT 0,
            first_offset BIGINT NOT NULL DEFAULT 0,
            CONSTRAINT log_partitions_topic_partition_key UNIQUE (topic, partition)
        )
    """)
    op.execute("""
        CREATE TABLE log_records (
            partition_id INT NOT NULL,
            "offset" BIGINT NOT NULL,
            "timestamp" BIGINT NOT NULL,
            key BYTEA,
            value BYTEA,
            headers JSON NOT NULL,
            PRIMARY KEY (partition_id, "offset")
        )
    """)
    op.execute("""
        CREATE TABLE log_members (
            id UUID PRIMARY KEY,
            topic TEXT NOT NULL,
            group_name TEXT NOT NULL,
            expires_at TIMESTAMPTZ NOT NULL
        )
    """)
    op.execute("""
        CREATE TABLE log_claims (
            group_name TEXT NOT NULL,
            partition_id INT NOT NULL REFERENCES log_partitions (id),
            position BIGINT NOT NULL DEFAULT 0,
            owner UUID,
            epoch BIGINT NOT NULL DEFAULT 0,
            PRIMARY KEY (group_name, partition_id)
        )
    """)
