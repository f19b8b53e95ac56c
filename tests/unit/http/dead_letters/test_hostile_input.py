"""No input makes a 5xx."""

import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from entrypoints.http.requests.letter_order import CHOICE_NAMES
from tests.support.api import an_api, call
from tests.unit.http.dead_letters.letters import MENDED, put

CHANGES = ["/dead-letters/replays", "/dead-letters/discard", "/dead-letters/restore"]
LISTS = ["/dead-letters", "/dead-letters/groups", "/dead-letters/export", "/dead-letters/replays", "/audit-log"]
MEMBERS = [
    *CHOICE_NAMES,
    *("reason", "dryRun", "expectedCount", "canary", "ratePerSecond", "maxReplays", "newEventId"),
]
PARAMETERS = [*CHOICE_NAMES, "limit", "cursor", "before", "who", "action", "edit", "reason"]
TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["dead", "invalid", "0-1", "2026-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "a"]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.dictionaries(st.one_of(st.sampled_from(MEMBERS), TEXTS), VALUES, max_size=6).map(
        lambda members: json.dumps(members).encode()
    ),
)
QUERIES = st.one_of(
    st.binary(max_size=100),
    st.lists(st.tuples(st.sampled_from(PARAMETERS), st.one_of(TEXTS, st.binary(max_size=20))), max_size=4).map(
        lambda pairs: "&".join(f"{name}={quote(value)}" for name, value in pairs).encode()
    ),
)
HEADERS = [(b"host", b"api"), (b"content-type", b"application/json")]


@given(path=st.sampled_from(CHANGES), body=BODIES)
async def test_no_body_of_a_change_makes_a_5xx(path: str, body: bytes) -> None:
    """Whatever it holds."""
    async with an_api() as api:
        await put(api, 3)
        assert (await call(api.app, "POST", path, headers=HEADERS, body=body)).status < 500


@given(path=st.sampled_from(LISTS), query=QUERIES)
async def test_no_query_makes_a_5xx(path: str, query: bytes) -> None:
    """Whatever it holds."""
    async with an_api() as api:
        await put(api, 3)
        assert (await call(api.app, "GET", path, query=query, headers=HEADERS)).status < 500


@given(value=st.one_of(st.binary(max_size=200), VALUES.map(lambda value: json.dumps(value).encode())), query=QUERIES)
async def test_no_value_makes_a_5xx(value: bytes, query: bytes) -> None:
    """Neither where it is edited nor where it is shown."""
    async with an_api() as api:
        await put(api, value=value)
        path = "/dead-letters/0-1"
        assert (await call(api.app, "PUT", f"{path}/value", query=query, headers=HEADERS, body=value)).status < 500
        edited = await call(api.app, "PUT", f"{path}/value", query=b"reason=a", headers=HEADERS, body=MENDED)
        assert edited.status == 200
        for url in (path, f"{path}/value", "/dead-letters/export"):
            assert (await call(api.app, "GET", url, headers=HEADERS)).status == 200
        assert (await call(api.app, "GET", f"{path}/value", query=query, headers=HEADERS)).status < 500


@given(segment=st.from_regex(r"\A[A-Za-z0-9._~:-]{1,40}\Z"))
async def test_no_id_makes_a_5xx(segment: str) -> None:
    """Of a letter or of a job."""
    async with an_api() as api:
        for path in (f"/dead-letters/{segment}", f"/dead-letters/{segment}/value", f"/dead-letters/replays/{segment}"):
            assert (await call(api.app, "GET", path, headers=HEADERS)).status < 500
        assert (await call(api.app, "POST", f"/dead-letters/replays/{segment}/pause", headers=HEADERS)).status < 500
