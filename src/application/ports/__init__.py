"""Every port. A port's docstring is its contract, and `tests/contracts` holds every adapter to it.

A batch is the unit; a single event is a batch of one. One call is one transaction. Every method may raise
`Unavailable` (not now, outcome unknown) and `WrongDeployment` (a person has to act).
"""

from application.ports.erasures import Erasures
from application.ports.letters import DeadLetters, OversizeLetters
from application.ports.publisher import EventPublisher, Receipt
from application.ports.reader import LogReader, Span, Stretch
from application.ports.source import EventSource, RebalanceListener, StaleGeneration
from application.ports.states import PartitionState, PartitionStates
from application.ports.store import Delivery, EventStore, Verdict

__all__ = [
    "DeadLetters",
    "Delivery",
    "Erasures",
    "EventPublisher",
    "EventSource",
    "EventStore",
    "LogReader",
    "OversizeLetters",
    "PartitionState",
    "PartitionStates",
    "RebalanceListener",
    "Receipt",
    "Span",
    "StaleGeneration",
    "Stretch",
    "Verdict",
]
