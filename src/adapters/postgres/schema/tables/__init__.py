"""The tables, as Alembic and the queries see them; `metadata` knows all of them."""

from adapters.postgres.schema.tables.dead_letters import (
    audit_log,
    audit_log_letters,
    dead_letter_attempts,
    dead_letter_edits,
    dead_letter_job_items,
    dead_letter_jobs,
    dead_letters,
    oversize_letters,
)
from adapters.postgres.schema.tables.event_log import log_claims, log_members, log_partitions, log_records
from adapters.postgres.schema.tables.events import EVENTS, erased_users, events, partition_states
from adapters.postgres.schema.tables.metadata import VERSION_TABLE, metadata

__all__ = [
    "EVENTS",
    "VERSION_TABLE",
    "audit_log",
    "audit_log_letters",
    "dead_letter_attempts",
    "dead_letter_edits",
    "dead_letter_job_items",
    "dead_letter_jobs",
    "dead_letters",
    "erased_users",
    "events",
    "log_claims",
    "log_members",
    "log_partitions",
    "log_records",
    "metadata",
    "oversize_letters",
    "partition_states",
]
