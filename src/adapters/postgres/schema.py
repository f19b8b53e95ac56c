"""The tables, as Alembic and the queries see them."""

from sqlalchemy import (
    JSON,
    TIMESTAMP,
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

EVENTS = "events"

events = Table(
    EVENTS,
    metadata,
    # The predecessor's columns, as it made them.
    Column("id", Uuid, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("payload", JSONB),
    Column("created_at", TIMESTAMP, server_default=text("CURRENT_TIMESTAMP")),
    # Ours; a foreign writer leaves them out.
    Column("occurred_at", TIMESTAMP(timezone=True)),
    Column("log_partition", Integer),
    Column("log_offset", BigInteger),
    Index("events_created_at_id_idx", "created_at", "id"),
    Index("events_user_id_created_at_id_idx", "user_id", "created_at", "id"),
)

oversize_letters = Table(
    "oversize_letters",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("key", LargeBinary),
    Column("value", LargeBinary),
    # Not `jsonb`, which refuses a NUL in a name.
    Column("headers", JSON, nullable=False),
    Column("kept_at", TIMESTAMP(timezone=True), nullable=False, server_default=text("CURRENT_TIMESTAMP")),
    UniqueConstraint("topic", "partition", "offset", "timestamp", name="oversize_letters_origin_key"),
)
