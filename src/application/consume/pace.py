"""How the consumer spends its time. All times are in seconds."""

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: anything up to a bound that doubles with each failure."""

    first: float = 0.2
    most: float = 15.0

    def after(self, failures: int) -> float:
        """Choose a pause; failures are counted from 1."""
        return random.uniform(0, min(self.most, self.first * 2 ** min(failures, 32)))  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class Pace:
    """The limits within which a consumer reads, stores, retries and ends."""

    batch_size: int = 5_000
    """How many records of a partition are stored at once, at most."""
    batches_in_flight: int = 2
    """How many batches of the process are in the database at once."""
    poll_wait: float = 0.5
    """How long a poll waits for records; bounds how late a stop is noticed."""
    backoff: Backoff = field(default_factory=Backoff)
    retry_budget: float | None = None
    """How long a batch is tried before it is dead-lettered as `exhausted`; None means for ever."""
    finish: float = 20.0
    """How long batches in flight may go on after a stop."""
    revocation: float = 20.0
    """How long a rebalance waits for batches in flight; below the group's rebalance timeout."""
    look: float = 2.0
    """How often to look whether a person has resumed what is halted."""

    @property
    def small_poll(self) -> int:
        """How many records are polled at once while many are queued already."""
        return max(1, self.batch_size // 10)

    @property
    def records_in_flight(self) -> int:
        """How many records of a partition may be decoded and not committed: in commit, in the store, and read ahead."""
        return 3 * self.batch_size
