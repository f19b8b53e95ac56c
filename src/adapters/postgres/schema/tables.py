"""The tables, as Alembic and the queries see them."""

from sqlalchemy import (
    JSON,
    TIMESTAMP,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
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
VERSION_TABLE = "user_events_version"

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
    # What its topic refused it for; NULL: its size.
    Column("cause", Text),
    UniqueConstraint("topic", "partition", "offset", "timestamp", name="oversize_letters_origin_key"),
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

# The embedded event log; times of records are in milliseconds since the epoch.

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

# The index of dead letters, built from the DLQ.

# Sorted in the same order by every database, in which rows are locked, too.
_LetterId = Text(collation="C")

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", _LetterId, primary_key=True),
    Column("state", Text, nullable=False, server_default="dead"),
    # The origin, as far as the letter names one.
    Column("topic", Text),
    Column("partition", Integer),
    Column("offset", BigInteger),
    Column("timestamp", BigInteger),
    # Where the last failure stands in the DLQ; partition -1: in `oversize_letters`, under this id.
    Column("dlq_partition", Integer, nullable=False),
    Column("dlq_offset", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("error_class", Text),
    Column("message", Text),
    Column("sqlstate", Text),
    Column("fingerprint", Text, nullable=False),
    # Of the present value.
    Column("event_id", Uuid),
    Column("user_id", Text),
    Column("event_type", Text),
    Column("attempts", Integer, nullable=False),
    # The number of the replay that failed last, of the edit that it published, and of the last replay that was ordered.
    Column("failed_replay", Integer, nullable=False),
    Column("failed_edit", Integer, nullable=False),
    Column("replays", Integer, nullable=False),
    Column("edits", Integer, nullable=False, server_default="0"),
    Column("first_failed_at", TIMESTAMP(timezone=True), nullable=False),
    Column("failed_at", TIMESTAMP(timezone=True), nullable=False),
    Column("changed_at", TIMESTAMP(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    # The original record. Headers as in `log_records`.
    Column("key", LargeBinary),
    Column("value", LargeBinary),
    Column("headers", JSON, nullable=False),
    Index("dead_letters_failed_at_id_idx", "failed_at", "id"),
    Index("dead_letters_fingerprint_failed_at_idx", "fingerprint", "failed_at"),
    Index("dead_letters_user_id_failed_at_idx", "user_id", "failed_at"),
    Index("dead_letters_state_failed_at_id_idx", "state", "failed_at", "id"),
    Index("dead_letters_kind_failed_at_id_idx", "kind", "failed_at", "id"),
    Index("dead_letters_error_class_failed_at_id_idx", "error_class", "failed_at", "id"),
    Index("dead_letters_event_id_idx", "event_id"),
)

dead_letter_attempts = Table(
    "dead_letter_attempts",
    metadata,
    Column("dlq_partition", Integer, primary_key=True, autoincrement=False),
    Column("dlq_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("letter_id", _LetterId, nullable=False),
    Column("replays", Integer, nullable=False),
    Column("edit", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("error_class", Text),
    Column("message", Text),
    Column("sqlstate", Text),
    Column("attempts", Integer, nullable=False),
    Column("failed_at", TIMESTAMP(timezone=True), nullable=False),
    Index("dead_letter_attempts_letter_id_idx", "letter_id"),
)

# What outlives the index. Triggers keep rows of these three from being changed or deleted.

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", TIMESTAMP(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("wanted", JSON, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("reason", Text, nullable=False),
)

audit_log_letters = Table(
    "audit_log_letters",
    metadata,
    Column("letter_id", _LetterId, primary_key=True),
    Column("audit_id", BigInteger, ForeignKey("audit_log.id"), primary_key=True, autoincrement=False),
)

dead_letter_edits = Table(
    "dead_letter_edits",
    metadata,
    Column("letter_id", _LetterId, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("audit_id", BigInteger, ForeignKey("audit_log.id"), nullable=False),
    Column("key", LargeBinary),
    Column("value", LargeBinary, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
)

dead_letter_jobs = Table(
    "dead_letter_jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    # Its entry there has who ordered it, which letters were chosen, and why.
    Column("audit_id", BigInteger, ForeignKey("audit_log.id"), nullable=False),
    Column("action", Text, nullable=False),
    Column("terms", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("why", Text),
    Column("letters", Integer, nullable=False),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("started_at", TIMESTAMP(timezone=True)),
    Column("ended_at", TIMESTAMP(timezone=True)),
    Column("worker", Uuid),
    Column("lease_until", TIMESTAMP(timezone=True)),
    Index("dead_letter_jobs_audit_id_idx", "audit_id"),
)

dead_letter_job_items = Table(
    "dead_letter_job_items",
    metadata,
    Column("job_id", Uuid, ForeignKey("dead_letter_jobs.id"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("letter_id", _LetterId, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    # The number of this replay of the letter, and of the edit that it publishes.
    Column("replay", Integer, nullable=False),
    Column("edit", Integer, nullable=False),
    Column("needs_new_id", Boolean, nullable=False),
    Column("fingerprint", Text, nullable=False),
    # Where the log has it.
    Column("partition", Integer),
    Column("offset", BigInteger),
    Column("why", Text),
    Column("changed_at", TIMESTAMP(timezone=True)),
    Index("dead_letter_job_items_state_idx", "job_id", "state", "place"),
    Index("dead_letter_job_items_letter_id_idx", "letter_id", "job_id", unique=True),
)
