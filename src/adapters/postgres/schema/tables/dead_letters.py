"""The index of dead letters, built from the DLQ; what outlives it; and the letters that the DLQ refused."""

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
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from adapters.postgres.schema.tables.metadata import metadata

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
