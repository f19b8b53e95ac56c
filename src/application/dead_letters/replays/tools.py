"""What the runs of all jobs share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from application.consume.pace import Backoff
from application.dead_letters.jobs import ReplayItem
from application.ports import EventStore, LogReader, ReplayJobs, ReplayPublisher
from domain.dead_letter import Failure
from domain.event import UserEvent


@dataclass(frozen=True, slots=True)
class Tools:
    """What every run works with; times are in seconds."""

    jobs: ReplayJobs
    publisher: ReplayPublisher
    log: LogReader
    store: EventStore
    read: Callable[[ReplayItem], UserEvent | Failure]
    """Reads the event that a replay of a letter publishes."""
    group: str
    """The consumer group that decides on events."""
    lease: float = 15.0
    """For how long a worker keeps a job without renewing its lease; as the jobs' adapter has it."""
    poll: float = 1.0
    """How often to look for a job."""
    look: float = 0.25
    """How often to look for outcomes, or for letters, that are not there yet."""
    patience: float = 60.0
    """After how long without an outcome a job that has nothing to publish leaves its turn to others."""
    backoff: Backoff = field(default_factory=Backoff)
    clock: Callable[[], float] = monotonic
