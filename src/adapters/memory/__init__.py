"""An in-memory twin of every port: the fakes of the tests, held to the same contracts as the real adapters.

Each adapter has an attribute `outage`: while it holds an exception, every call that would do I/O fails with it.
"""

from adapters.memory.dead_letter_queue import MemoryDeadLetterQueue, MemoryOversizeLetters
from adapters.memory.dead_letters.audit_log import MemoryAuditLog
from adapters.memory.dead_letters.dead_letter_index import MemoryDeadLetterIndex
from adapters.memory.dead_letters.replay_jobs import MemoryReplayJobs
from adapters.memory.event_source import MemorySource
from adapters.memory.event_store import MemoryErasures, MemoryEventStore
from adapters.memory.log import MemoryLog, MemoryPublisher
from adapters.memory.log_reader import MemoryLogReader
from adapters.memory.partition_states import MemoryPartitionStates
from adapters.memory.replay_publisher import MemoryReplayPublisher

__all__ = [
    "MemoryAuditLog",
    "MemoryDeadLetterIndex",
    "MemoryDeadLetterQueue",
    "MemoryErasures",
    "MemoryEventStore",
    "MemoryLog",
    "MemoryLogReader",
    "MemoryOversizeLetters",
    "MemoryPartitionStates",
    "MemoryPublisher",
    "MemoryReplayJobs",
    "MemoryReplayPublisher",
    "MemorySource",
]
