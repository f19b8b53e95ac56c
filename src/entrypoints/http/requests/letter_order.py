"""The body of a request to replay, discard or restore dead letters."""

from dataclasses import dataclass
from typing import Final

from application.dead_letters.letters import LetterFilter
from application.dead_letters.orders import DEFAULT_MAX_REPLAYS, Action, Order
from entrypoints.http.requests.letter_filter import FILTER_NAMES, read_filter, read_ids
from entrypoints.http.requests.letter_query import MAX_REASON_CHARS
from entrypoints.http.requests.members import Members, flag, whole_number
from entrypoints.http.requests.values import text_of

MAX_LETTERS = 1_000_000_000
MAX_RATE = 1_000_000
MAX_REPLAYS = 1_000

CHOICE_NAMES = ("ids", *FILTER_NAMES)
_COMMON = (*CHOICE_NAMES, "reason", "dryRun", "expectedCount")
_OF_REPLAY: Final = ("canary", "ratePerSecond", "maxReplays", "newEventId")


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done with which letters."""

    wanted: LetterFilter
    order: Order
    is_dry_run: bool
    expected: int | None
    """How many letters have to be concerned; None: any number."""


def parse_order(body: bytes, action: Action) -> Change:
    """Parse a body. Raises `HttpProblem` with 400, and `Invalid` with all problems, including unknown members."""
    members = Members(body, (*_COMMON, *(_OF_REPLAY if action is Action.REPLAY else ())))
    members.require_one(CHOICE_NAMES)
    if action is not Action.RESTORE:
        members.require("reason")
    ids = members.read_value("ids", read_ids)
    wanted = read_filter(members, ids)
    order = Order(
        action,
        members.read("reason", text_of(MAX_REASON_CHARS)) or "",
        max_replays=members.read_value("maxReplays", whole_number(1, MAX_REPLAYS)) or DEFAULT_MAX_REPLAYS,
        new_event_id=bool(members.read_value("newEventId", flag)),
        canary=members.read_value("canary", whole_number(0, MAX_LETTERS)) or 0,
        rate_per_second=members.read_value("ratePerSecond", _rate),
    )
    is_dry_run = bool(members.read_value("dryRun", flag))
    expected = members.read_value("expectedCount", whole_number(0, MAX_LETTERS))
    members.check()
    return Change(wanted, order, is_dry_run, expected)


def _rate(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= MAX_RATE:
        raise ValueError(f"must be a number above 0, at most {MAX_RATE}")
    return float(value)
