"""The events, and what the consumer keeps beside them."""

from sqlalchemy import TIMESTAMP, BigInteger, Boolean, Column, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from adapters.postgres.schema.tables.metadata import metadata

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
    Index("events_user_id_created_at_idx", "user_id", "created_at"),
)

partition_states = Table(
    "partition_states",
    metadata,
    Column("group_name", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    # The consumer that began it last.
    Column("owner", Uuid),
    # From where on it was last begun, and how many times in a row without a good end.
    Column("position", BigInteger),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # The marker: the record that is, or was last, processed alone; a death is one of its consumer with it in hand.
    Column("marked_offset", BigInteger),
    Column("in_hand", Boolean, nullable=False, server_default=text("FALSE")),
    Column("deaths", Integer, nullable=False, server_default="0"),
    # The last stop; open until it is resumed.
    Column("stop_kind", Text),
    Column("stop_offset", BigInteger),
    Column("stop_reason", Text),
    Column("stopped_at", TIMESTAMP(timezone=True)),
    Column("resumed_at", TIMESTAMP(timezone=True)),
)

# Written by whoever deletes a user's rows on purpose.
erased_users = Table(
    "erased_users",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("erased_at", TIMESTAMP(timezone=True), nullable=False),
)
