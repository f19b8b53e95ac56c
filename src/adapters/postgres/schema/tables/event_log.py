"""The embedded event log; times of records are in milliseconds since the epoch."""

from sqlalchemy import (
    JSON,
    TIMESTAMP,
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from adapters.postgres.schema.tables.metadata import metadata

log_partitions = Table(
    "log_partitions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    # The row is locked by whoever appends, until the commit: offsets appear in the order of commits, without gaps.
    Column("next_offset", BigInteger, nullable=False, server_default="0"),
    Column("first_offset", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("topic", "partition", name="log_partitions_topic_partition_key"),
)

log_records = Table(
    "log_records",
    metadata,
    # No foreign key: its check would lock the partition's row again for every record.
    Column("partition_id", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("key", LargeBinary),
    Column("value", LargeBinary),
    # Pairs of name and value, the value in base64 or null. Not `jsonb`, which refuses a NUL in a name.
    Column("headers", JSON, nullable=False),
)

log_members = Table(
    "log_members",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("group_name", Text, nullable=False),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
)

log_claims = Table(
    "log_claims",
    metadata,
    Column("group_name", Text, primary_key=True),
    Column("partition_id", Integer, ForeignKey("log_partitions.id"), primary_key=True, autoincrement=False),
    # The group's position: the offset of the first record that is not committed.
    Column("position", BigInteger, nullable=False, server_default="0"),
    # Not a reference: a member that died is gone from `log_members` before its claim is taken over.
    Column("owner", Uuid),
    # Counts the claims, so that a member that lost one and got it back cannot commit under the old one.
    Column("epoch", BigInteger, nullable=False, server_default="0"),
)
