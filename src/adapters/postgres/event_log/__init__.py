"""The embedded event log: topics of partitioned, ordered records in PostgreSQL, for one machine without a broker.

Offsets of a partition appear in the order of commits and without gaps, since a writer holds the partition's row from
taking its offsets until its commit. Members of a group share partitions by claims that a heartbeat keeps alive.
"""

from adapters.postgres.event_log.dead_letter_queue import PostgresDeadLetterQueue
from adapters.postgres.event_log.event_publisher import PostgresEventPublisher
from adapters.postgres.event_log.event_source import PostgresEventSource
from adapters.postgres.event_log.log_reader import PostgresLogReader
from adapters.postgres.event_log.topics import ensure_topic

__all__ = [
    "PostgresDeadLetterQueue",
    "PostgresEventPublisher",
    "PostgresEventSource",
    "PostgresLogReader",
    "ensure_topic",
]
