"""The query of `GET /events/processed`."""

from dataclasses import dataclass
from urllib.parse import urlencode

from adapters.records.codec import render_time
from application.listing import Cursor, EventFilter
from domain.event_types import event_type
from domain.validation import parse_user_id
from entrypoints.http.requests import cursor
from entrypoints.http.requests.parameters import Parameters
from entrypoints.http.requests.values import read_limit, read_time

_NAMES = ("limit", "cursor", "userId", "eventType", "since", "until", "bom")
_MAX_PLAIN_CHARS = 1_024
"""Beyond this the cursor contains the user id, in a shorter form; proxies reject long URLs."""


@dataclass(frozen=True, slots=True)
class Query:
    """A list request. A `limit` of None stands for the default of the media type."""

    wanted: EventFilter
    after: Cursor | None
    limit: int | None
    has_bom: bool
    """Whether CSV begins with a byte order mark."""

    def next_page(self, after: Cursor) -> str:
        """Return the query string of the page that follows position `after`; shorter than 2,000 characters."""
        wanted = self.wanted
        stated = {
            "eventType": wanted.event_type,
            "since": wanted.since and render_time(wanted.since),
            "until": wanted.until and render_time(wanted.until),
            "limit": self.limit,
        }
        others = {name: value for name, value in stated.items() if value is not None}
        if wanted.user_id is None:
            return urlencode({**others, "cursor": cursor.encode(after)})
        plain = urlencode({"userId": wanted.user_id, **others, "cursor": cursor.encode(after)})
        if len(plain) <= _MAX_PLAIN_CHARS:
            return plain
        return urlencode({**others, "cursor": cursor.encode(after, wanted.user_id)})


def parse(query_string: bytes, max_limit: int | None) -> Query:
    """Parse a query string. Raises `Invalid` with all problems, including unknown parameters.

    Any well-formed type may be asked for: stored events may have one that is no longer accepted.
    """
    parameters = Parameters(query_string, _NAMES)
    stated_user_id = parameters.read("userId", parse_user_id)
    wanted_type = parameters.read("eventType", event_type)
    since = parameters.read("since", read_time)
    until = parameters.read("until", read_time)
    after, user_id = parameters.read("cursor", lambda text: _cursor(text, stated_user_id)) or (None, stated_user_id)
    limit = parameters.read("limit", lambda text: read_limit(text, max_limit))
    has_bom = parameters.read("bom", _flag)
    parameters.check()
    return Query(EventFilter(user_id, wanted_type, since, until), after, limit, bool(has_bom))


def _cursor(text: str, stated_user_id: str | None) -> tuple[Cursor, str | None]:
    position, user_id = cursor.decode(text)
    if user_id is not None and stated_user_id not in {None, user_id}:
        raise ValueError("belongs to a list of another userId")
    return position, user_id or stated_user_id


def _flag(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError("must be 0 or 1")
    return text == "1"
