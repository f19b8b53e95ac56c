"""Every port. A port's docstring is its contract, and `tests/contracts` holds every adapter to it.

A batch is the unit; a single event is a batch of one. One call is one transaction. Every method may raise
`Unavailable` (not now, outcome unknown) and `WrongDeployment` (a person has to act).
"""

from application.ports.audit_log import AuditLog
from application.ports.dead_letter_index import DeadLetterIndex, NotEditable
from application.ports.dead_letter_queue import DeadLetterQueue, OversizeLetters
from application.ports.erasures import Erasures
from application.ports.event_publisher import EventPublisher, Receipt
from application.ports.event_source import EventSource, RebalanceListener, StaleGeneration
from application.ports.event_store import Delivery, EventStore, Outcome
from application.ports.log_reader import LogReader, Span, Stretch
from application.ports.partition_states import Halt, HaltKind, PartitionState, PartitionStates
from application.ports.replay_jobs import ReplayJobs
from application.ports.replay_publisher import ReplayPublisher

__all__ = [
    "AuditLog",
    "DeadLetterIndex",
    "DeadLetterQueue",
    "Delivery",
    "Erasures",
    "EventPublisher",
    "EventSource",
    "EventStore",
    "Halt",
    "HaltKind",
    "LogReader",
    "NotEditable",
    "Outcome",
    "OversizeLetters",
    "PartitionState",
    "PartitionStates",
    "RebalanceListener",
    "Receipt",
    "ReplayJobs",
    "ReplayPublisher",
    "Span",
    "StaleGeneration",
    "Stretch",
]
