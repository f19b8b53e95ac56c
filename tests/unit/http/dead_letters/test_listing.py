"""`GET /dead-letters`, `/dead-letters/groups` and `/dead-letters/export`."""

import base64
import json
from datetime import timedelta
from uuid import UUID

import pytest

from domain.errors import Unavailable
from entrypoints.http.prefix import Prefix
from tests.support.api import Api, an_api
from tests.support.events import NOON
from tests.unit.http.dead_letters.letters import a_failure, put

LIST, GROUPS, EXPORT = "/dead-letters", "/dead-letters/groups", "/dead-letters/export"
EVENT_ID = UUID("0198f3c0-1111-7abc-8def-0123456789ab")


async def ids(api: Api, **parameters: str) -> list[str]:
    """List letters; return their ids."""
    response = await api.client.get(LIST, params=parameters)
    assert response.status_code == 200, response.text
    return [letter["id"] for letter in response.json()]


async def test_list_shows_last_failure_and_state(api: Api) -> None:
    """By names in camel case, as all requests have them."""
    await api.index.note([a_failure(event_id=EVENT_ID, sqlstate="22P05")])
    [letter] = (await api.client.get(LIST)).json()
    del letter["changedAt"]
    assert letter == {
        "id": "0-1",
        "state": "dead",
        "kind": "invalid",
        "errorClass": "Invalid",
        "message": "eventId: must be a UUID",
        "sqlstate": "22P05",
        "fingerprint": "0a1b2c3d",
        "eventId": str(EVENT_ID),
        "userId": "user-1",
        "eventType": "LOGIN",
        "attempts": 1,
        "replays": 0,
        "edits": 0,
        "origin": {"topic": "events", "partition": 0, "offset": 1, "timestamp": "2026-11-22T12:00:00.000Z"},
        "dlq": {"partition": 0, "offset": 1},
        "oversizeLetter": None,
        "firstFailedAt": "2026-11-22T12:00:01.000Z",
        "failedAt": "2026-11-22T12:00:01.000Z",
        "valueBytes": 42,
    }


async def test_foreign_and_oversize_letters_have_no_origin_or_position(api: Api) -> None:
    """Null says so."""
    failure = a_failure(
        id="dlq--1-7", origin=None, dlq_partition=-1, dlq_offset=7, kind="unknown", error_class=None, message=None
    )
    await api.index.note([failure])
    [letter] = (await api.client.get(LIST)).json()
    assert (letter["origin"], letter["dlq"], letter["oversizeLetter"]) == (None, None, 7)
    assert (await api.client.get(f"{LIST}/dlq--1-7")).status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "changes"),
    [
        ("kind", "conflict", {"kind": "conflict"}),
        ("kind", "unknown", {"kind": "unknown"}),
        ("fingerprint", "ffff0000", {"fingerprint": "ffff0000"}),
        ("userId", "ü", {"user_id": "ü"}),
        ("eventType", "no type", {"event_type": "no type"}),
        ("eventId", str(EVENT_ID), {"event_id": EVENT_ID}),
        ("errorClass", "org.Bad", {"error_class": "org.Bad"}),
        ("since", (NOON + timedelta(seconds=9)).isoformat(), {}),
        ("until", (NOON + timedelta(seconds=2)).isoformat(), {"failed_at": NOON}),
    ],
)
async def test_each_field_selects_letters(api: Api, name: str, value: str, changes: dict[str, object]) -> None:
    """In the list, in the groups and in the export alike."""
    await api.index.note([a_failure(5), a_failure(9, **changes)])
    assert await ids(api, **{name: value}) == ["0-9"]
    [group] = (await api.client.get(GROUPS, params={name: value})).json()
    assert (group["count"], group["sample"]) == (1, "0-9")
    assert json.loads((await api.client.get(EXPORT, params={name: value})).text)["id"] == "0-9"


async def test_state_selects_letters(api: Api) -> None:
    """Nothing is deleted."""
    await put(api, 2)
    await api.client.post("/dead-letters/discard", json={"ids": ["0-1"], "reason": "noise"})
    assert await ids(api, state="discarded") == ["0-1"]
    assert await ids(api, state="dead") == ["0-2"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=gone", "state"),
        ("kind=bad", "kind"),
        ("fingerprint=", "fingerprint"),
        ("fingerprint=" + "a" * 65, "fingerprint"),
        ("userId=%00", "userId"),
        ("eventType=%20", "eventType"),
        ("eventType=" + "a" * 65, "eventType"),
        ("eventId=7", "eventId"),
        ("errorClass=" + "a" * 201, "errorClass"),
        ("since=yesterday", "since"),
        ("until=2026-01-01T00:00:00+01:00", "until"),
        ("user_id=a", "user_id"),
        ("ids=0-1", "ids"),
        ("state=dead&state=dead", "state"),
    ],
)
@pytest.mark.parametrize("path", [LIST, GROUPS, EXPORT])
async def test_invalid_field_gets_422_with_its_name(api: Api, path: str, query: str, field: str) -> None:
    """The api does not guess another filter."""
    response = await api.client.get(f"{path}?{query}")
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "cursor=x",
        "cursor=" + "A" * 12,
        "cursor=f_________8AAAAA",
        "cursor=AAZJrdRJMAAEMC0x",
        "cursor=AAZJrdRJMAAD////",
        "cursor=%C3%A9",
        "cursor=" + "A" * 60_000,
    ],
)
async def test_invalid_page_gets_422(api: Api, query: str) -> None:
    """With the name of the parameter."""
    response = await api.client.get(f"{LIST}?{query}")
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [query.partition("=")[0]]


async def test_pages_follow_each_other(api: Api) -> None:
    """Each has a link with the whole filter; none is listed twice."""
    expected = await put(api, 7)
    found, url = [], f"{LIST}?limit=3&userId=user-1&state=dead&since=2026-01-01T00:00:00Z"
    while url:
        response = await api.client.get(url)
        found += [letter["id"] for letter in response.json()]
        url = response.links.get("next", {}).get("url", "")
        assert not url or "userId=user-1" in url
    assert found == expected


@pytest.mark.parametrize("user_id", ["u", "😀" * 512])
async def test_link_is_short_for_any_user(api: Api, user_id: str) -> None:
    """The cursor holds a long id."""
    expected = await put(api, 3, user_id=user_id)
    first = await api.client.get(LIST, params={"userId": user_id, "limit": "2"})
    link = first.links["next"]["url"]
    assert len(link) < 2_048
    assert [letter["id"] for letter in (await api.client.get(link)).json()] == expected[2:]


async def test_cursor_of_another_user_gets_422(api: Api) -> None:
    """It would list the letters of one under the name of the other."""
    await put(api, 2, user_id="😀" * 512)
    link = (await api.client.get(LIST, params={"userId": "😀" * 512, "limit": "1"})).links["next"]["url"]
    response = await api.client.get(f"{link}&userId=other")
    assert response.status_code == 422
    assert "another userId" in response.text


async def test_link_begins_with_prefix() -> None:
    """As a client of the proxy sees it."""
    async with an_api(prefix=Prefix("/a/b")) as api:
        await put(api, 2)
        link = (await api.client.get(f"{LIST}?limit=1")).links["next"]["url"]
        line = (await api.client.get(EXPORT)).text.splitlines()[0]
    assert link.startswith("/a/b/dead-letters?")
    assert json.loads(line)["id"] == "0-2"


async def test_default_limit_is_100(api: Api) -> None:
    """A page for people to read."""
    await put(api, 101)
    assert len((await api.client.get(LIST)).json()) == 100
    assert len((await api.client.get(f"{LIST}?limit=1000")).json()) == 101


async def test_groups_have_one_cause_each(api: Api) -> None:
    """The largest comes first."""
    other = a_failure(9, fingerprint="ffffffff", kind="rejected", message=None, user_id=None)
    await api.index.note([a_failure(1), a_failure(2, user_id="user-2"), other])
    first, second = (await api.client.get(GROUPS)).json()
    assert first == {
        "fingerprint": "0a1b2c3d",
        "kind": "invalid",
        "errorClass": "Invalid",
        "message": "eventId: must be a UUID",
        "count": 2,
        "users": 2,
        "firstFailedAt": "2026-11-22T12:00:01.000Z",
        "failedAt": "2026-11-22T12:00:02.000Z",
        "oldest": "2026-11-22T12:00:01.000Z",
        "sample": "0-2",
    }
    assert (second["count"], second["users"], second["message"]) == (1, 0, None)


async def test_export_has_one_letter_a_line(api: Api) -> None:
    """JSON with line ends is written on one line; the bytes are exact."""
    value = b'{\r\n "a": 1.50,\n "b": "\\n"}'
    await api.index.note([a_failure(1, value=value), a_failure(2, value=b"\xff\n"), a_failure(3, value=None)])
    response = await api.client.get(EXPORT)
    assert response.headers["content-type"] == "application/x-ndjson"
    without, binary, text = map(json.loads, response.text.splitlines())
    assert without["value"] is None
    assert (binary["value"], binary["headers"][1]["value"]["base64"]) == ({"size": 2, "base64": "/wo="}, "/w==")
    assert base64.b64decode(text["value"]["base64"]) == value
    assert text["value"]["json"] == {"a": 1.5, "b": "\n"}


async def test_empty_export_is_empty(api: Api) -> None:
    """There is no first page to read."""
    response = await api.client.get(EXPORT)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("path", [LIST, EXPORT])
async def test_answers_are_compressed(api: Api, path: str) -> None:
    """If the client wants it."""
    await put(api, 30)
    response = await api.client.get(path, headers={"accept-encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert b'"0-30"' in response.content
    assert "Accept-Encoding" in response.headers["vary"]


async def test_export_in_another_type_gets_406(api: Api) -> None:
    """It comes as NDJSON."""
    assert (await api.client.get(EXPORT, headers={"accept": "text/csv"})).status_code == 406
    other = await api.client.get(EXPORT, headers={"accept": "application/ndjson"})
    assert other.headers["content-type"] == "application/ndjson"


@pytest.mark.parametrize("path", [LIST, GROUPS, EXPORT, f"{LIST}/0-1", f"{LIST}/0-1/value"])
async def test_outage_gets_503(api: Api, path: str) -> None:
    """Without its cause."""
    api.index.outage = Unavailable("db.internal refused")
    response = await api.client.get(path)
    assert response.status_code == 503
    assert "db.internal" not in response.text


@pytest.mark.parametrize("path", [LIST, GROUPS, EXPORT, f"{LIST}/0-1", f"{LIST}/0-1/value"])
async def test_head_and_options(api: Api, path: str) -> None:
    """As of the other routes."""
    await put(api)
    head = await api.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    allow = (await api.client.options(path)).headers["allow"].split(", ")
    assert {"GET", "HEAD", "OPTIONS"} <= set(allow)
    assert (await api.client.delete(path)).status_code == 405
