"""What a person can have done to dead letters, and what it would do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from application.dead_letters.letters import LetterGroup

DEFAULT_MAX_REPLAYS = 5


class Action(StrEnum):
    """What is done to the letters that were chosen."""

    REPLAY = "replay"
    DISCARD = "discard"
    RESTORE = "restore"
    """Take a discard back."""


class Skipped(StrEnum):
    """Why a chosen letter is left alone."""

    STATE = "its state does not allow it"
    """Only dead letters are replayed or discarded, only discarded ones restored."""
    CONFLICT = "it would conflict again: edit it, or replay it with a new event id"
    MAX_REPLAYS = "it was replayed too often"
    FOREIGN = "it comes from another topic"
    """`LetterOrigin.topic` is not the events' topic."""


@dataclass(frozen=True, slots=True)
class Order:
    """An action with its terms; all but the reason are for a replay."""

    action: Action
    reason: str
    max_replays: int = DEFAULT_MAX_REPLAYS
    """Letters that were replayed so often are skipped."""
    new_event_id: bool = False
    """Whether unedited letters of kind `conflict` are replayed too, as events with ids of their own."""
    canary: int = 0
    """So many letters are replayed first; unless all of them end stored, the job halts."""
    rate_per_second: float | None = None
    """Most letters a second; None: no limit."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What an order would do at this moment."""

    count: int
    """How many letters it concerns: those that were chosen and are not skipped."""
    groups: Sequence[LetterGroup]
    """These letters by fingerprint, the largest group first; at most 100."""
    oldest: datetime | None
    newest: datetime | None
    """The times of the earliest and the latest of their last failures."""
    sample: Sequence[str]
    """The ids of the newest, at most 10."""
    skipped: Mapping[Skipped, int]


class CountChanged(Exception):
    """The number of letters is not the one that the person expects: nothing was done."""

    def __init__(self, expected: int, found: int) -> None:
        letters = "dead letter" if found == 1 else "dead letters"
        super().__init__(f"it would concern {found} {letters}, not {expected}: nothing was done")
        self.expected = expected
        self.found = found


class NewEntry(NamedTuple):
    """An entry of the audit log to be made: who does what to which letters, and why."""

    who: str
    """`api`, `cli:user@host` or `auto`."""
    action: str
    wanted: Mapping[str, object]
    """What was chosen, as JSON."""
    reason: str


class AuditEntry(NamedTuple):
    """An entry of the audit log; numbered in the order of entries."""

    id: int
    at: datetime
    who: str
    action: str
    wanted: Mapping[str, object]
    counts: Mapping[str, int]
    """How many letters, partitions, … by what was done to them."""
    reason: str
