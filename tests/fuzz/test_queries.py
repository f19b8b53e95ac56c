"""Query strings of lists are parsed or rejected; the links lead to each row once."""

import re
from dataclasses import replace
from datetime import timedelta
from itertools import accumulate
from urllib.parse import urlencode
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from application.listing import Cursor, StoredEvent
from domain.validation import Invalid
from entrypoints.http.requests import query
from tests.fuzz.damage import damaged
from tests.fuzz.test_cursor import cursors
from tests.fuzz.test_times import texts as times
from tests.support.api import Api
from tests.support.events import NOON
from tests.support.strategies import moments, user_ids

_MAX_LIMIT = 1_000
_MAX_LINK_CHARS = 2_048
_FRAGMENTS = [b"&", b"=", b"%", b"%00", b"%ff", b"%ED%A0%80", b"+", b";", b"#", b"\0", b"\xff", b"limit=1", b"userId=a"]
_LINK = re.compile(r'<([^>]*)>; rel="next"')

parameters = st.fixed_dictionaries(
    {},
    optional={
        "limit": st.integers(-1, 1_001).map(str),
        "cursor": cursors,
        "userId": user_ids,
        "eventType": st.sampled_from(["LOGIN", "LOGOUT", "shop:order", "no name"]),
        "since": times,
        "until": times,
        "bom": st.sampled_from(["0", "1", "2"]),
        "user_id": st.just("a"),
    },
)
queries = st.binary(max_size=60) | damaged(parameters.map(lambda pairs: urlencode(pairs).encode()), _FRAGMENTS, most=2)


@given(
    query_string=queries,
    place=st.builds(Cursor, st.none() | moments, st.uuids()),
    most=st.sampled_from([None, _MAX_LIMIT]),
)
def test_any_query_parses_or_is_invalid(query_string: bytes, place: Cursor, most: int | None) -> None:
    """The next page has the same filters."""
    try:
        asked = query.parse(query_string, most)
    except Invalid as invalid:
        assert invalid.problems
        return
    link = asked.next_page(place)
    assert len(link) < _MAX_LINK_CHARS - len("/events/processed?")
    following = query.parse(link.encode("ascii"), most)
    assert following == replace(asked, after=place, has_bom=following.has_bom)


@given(
    users=st.lists(user_ids, min_size=1, max_size=3),
    owners=st.lists(st.integers(0, 2), max_size=7),
    steps=st.lists(st.integers(0, 1), min_size=7, max_size=7),
    limit=st.integers(1, 3),
)
async def test_links_lead_to_each_row_of_a_user_once(
    api: Api, users: list[str], owners: list[int], steps: list[int], limit: int
) -> None:
    """Newest first, for any user id, also if several rows have the same time."""
    times = [NOON + timedelta(microseconds=micros) for micros in accumulate(steps)]
    rows = [
        StoredEvent(UUID(int=number), users[owner % len(users)], "LOGIN", "{}", time, None)
        for number, (owner, time) in enumerate(zip(owners, times, strict=False))
    ]
    api.store.rows = {row.id: row for row in rows}
    found: list[str] = []
    url = f"/events/processed?{urlencode({'userId': users[0], 'limit': limit})}"
    while url:
        response = await api.client.get(url)
        assert response.status_code == 200
        assert len(response.json()) <= limit
        found += [row["id"] for row in response.json()]
        link = _LINK.fullmatch(response.headers.get("link", ""))
        url = link[1] if link else ""
        assert len(url) < _MAX_LINK_CHARS
    assert found == [str(row.id) for row in reversed(rows) if row.user_id == users[0]]
