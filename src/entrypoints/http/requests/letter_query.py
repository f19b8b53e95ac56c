"""The query strings of lists of dead letters, of jobs and of the audit log."""

from dataclasses import dataclass
from uuid import UUID

from application.dead_letters.letters import LetterCursor, LetterFilter
from domain.validation import Invalid, Problem
from entrypoints.http.requests import letter_cursor
from entrypoints.http.requests.letter_filter import FILTER_NAMES, query_string, read_filter, stated
from entrypoints.http.requests.parameters import Parameters
from entrypoints.http.requests.values import read_limit, read_number, read_uuid, text_of

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_WHO_CHARS = 256
MAX_ACTION_CHARS = 64
MAX_REASON_CHARS = 500
_MAX_PLAIN_CHARS = 1_024
"""Beyond this the cursor contains the user id, in a shorter form; proxies reject long URLs."""


@dataclass(frozen=True, slots=True)
class LetterQuery:
    """A request for a page of dead letters."""

    wanted: LetterFilter
    after: LetterCursor | None
    limit: int

    def next_page(self, after: LetterCursor) -> bytes:
        """Return the query string of the page that follows position `after`."""
        others = {**stated(self.wanted), "limit": self.limit}
        plain = query_string({**others, "cursor": letter_cursor.encode(after)})
        if len(plain) <= _MAX_PLAIN_CHARS or self.wanted.user_id is None:
            return plain
        return query_string({**others, "userId": None, "cursor": letter_cursor.encode(after, self.wanted.user_id)})


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """A request for a page of the audit log."""

    action: str | None
    who: str | None
    before: int | None
    limit: int

    def next_page(self, before: int) -> bytes:
        """Return the query string of the page of entries before `before`."""
        return query_string({"action": self.action, "who": self.who, "limit": self.limit, "before": before})


def parse_page(text: bytes) -> LetterQuery:
    """Parse the query string of a list. Raises `Invalid` with all problems, including unknown parameters."""
    parameters = Parameters(text, (*FILTER_NAMES, "limit", "cursor"))
    wanted = read_filter(parameters)
    limit = parameters.read("limit", lambda value: read_limit(value, MAX_LIMIT))
    position = parameters.read("cursor", lambda value: letter_cursor.decode(value, wanted))
    parameters.check()
    after, wanted = position or (None, wanted)
    return LetterQuery(wanted, after, limit or DEFAULT_LIMIT)


def parse_filter(text: bytes) -> LetterFilter:
    """Parse a query string that holds a filter and nothing else. Raises `Invalid`."""
    parameters = Parameters(text, FILTER_NAMES)
    wanted = read_filter(parameters)
    parameters.check()
    return wanted


def parse_jobs(text: bytes) -> tuple[int, UUID | None]:
    """Parse the query string of the list of jobs: how many, and before which one. Raises `Invalid`."""
    parameters = Parameters(text, ("limit", "before"))
    limit = parameters.read("limit", lambda value: read_limit(value, MAX_LIMIT))
    before = parameters.read("before", read_uuid)
    parameters.check()
    return limit or DEFAULT_LIMIT, before


def parse_audit(text: bytes) -> AuditQuery:
    """Parse the query string of the audit log. Raises `Invalid`."""
    parameters = Parameters(text, ("action", "who", "limit", "before"))
    action = parameters.read("action", text_of(MAX_ACTION_CHARS))
    who = parameters.read("who", text_of(MAX_WHO_CHARS))
    limit = parameters.read("limit", lambda value: read_limit(value, MAX_LIMIT))
    before = parameters.read("before", read_number)
    parameters.check()
    return AuditQuery(action, who, before, limit or DEFAULT_LIMIT)


def parse_edit_number(text: bytes) -> int | None:
    """Parse the number of an edit, if it is stated. Raises `Invalid`."""
    parameters = Parameters(text, ("edit",))
    number = parameters.read("edit", read_number)
    parameters.check()
    return number


def parse_reason(text: bytes, *, is_required: bool = False) -> str:
    """Parse a reason; empty if it is not stated. Raises `Invalid`."""
    parameters = Parameters(text, ("reason",))
    reason = parameters.read("reason", text_of(MAX_REASON_CHARS))
    parameters.check()
    if reason is None and is_required:
        raise Invalid(Problem("reason", "must be there"))
    return reason or ""
