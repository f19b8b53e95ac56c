"""An in-memory twin of every port: the fakes of the tests, held to the same contracts as the real adapters.

Each adapter has an attribute `outage`: while it holds an exception, every call that would do I/O fails with it.
"""

from adapters.memory.erasures import MemoryErasures
from adapters.memory.letters import MemoryDeadLetters, MemoryOversizeLetters
from adapters.memory.log import MemoryLog, MemoryPublisher
from adapters.memory.reader import MemoryLogReader
from adapters.memory.source import MemorySource
from adapters.memory.states import MemoryPartitionStates
from adapters.memory.store import MemoryEventStore

__all__ = [
    "MemoryDeadLetters",
    "MemoryErasures",
    "MemoryEventStore",
    "MemoryLog",
    "MemoryLogReader",
    "MemoryOversizeLetters",
    "MemoryPartitionStates",
    "MemoryPublisher",
    "MemorySource",
]
