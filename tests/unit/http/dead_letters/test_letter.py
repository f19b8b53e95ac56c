"""`GET /dead-letters/{id}`, and `GET` and `PUT /dead-letters/{id}/value`."""

import json
from uuid import UUID

import pytest

from entrypoints.http.prefix import Prefix
from entrypoints.http.routes.dead_letters.bytes_view import MAX_SHOWN_BYTES
from tests.support.api import MAX_BODY_BYTES, Api, an_api
from tests.support.events import an_event, delivered
from tests.unit.http.dead_letters.letters import MENDED, VALUE, a_failure, put

ONE, ITS_VALUE = "/dead-letters/0-1", "/dead-letters/0-1/value"
WRONG_IDS = ["7", "0-", "-1-1", "00-1", "0-01", "0-1-1", "dlq-1", "dlq-0-", "dlq--2-1", "x-1", "0-" + "9" * 20]
EVENT_ID = UUID("0198f3c0-1111-7abc-8def-0123456789ab")


async def edit(api: Api, value: bytes, reason: str | None = "typo", content_type: str = "application/json") -> int:
    """Edit the letter 0-1; return the status."""
    parameters = {} if reason is None else {"reason": reason}
    response = await api.client.put(ITS_VALUE, params=parameters, content=value, headers={"content-type": content_type})
    return response.status_code


async def test_letter_has_value_as_text_json_and_base64(api: Api) -> None:
    """The JSON is verbatim; what is no text comes in base64 alone."""
    await api.index.note([a_failure(value=b'{"a": 1.50}', key=b"\xfe")])
    response = await api.client.get(ONE)
    assert '"json":{"a": 1.50}' in response.text
    letter = response.json()
    assert letter["value"] == {"size": 11, "text": '{"a": 1.50}', "json": {"a": 1.5}, "base64": "eyJhIjogMS41MH0="}
    assert letter["key"] == {"size": 1, "base64": "/g=="}
    assert letter["headers"] == [
        {
            "name": "content-type",
            "value": {"size": 16, "text": "application/json", "base64": "YXBwbGljYXRpb24vanNvbg=="},
        },
        {"name": "trace", "value": {"size": 1, "base64": "/w=="}},
        {"name": "empty", "value": None},
    ]
    assert (letter["originalValueUrl"], letter["editHistory"], letter["conflict"]) == (None, [], None)
    assert [(failure["replays"], failure["dlq"]["offset"]) for failure in letter["failures"]] == [(0, 1)]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[" * 5_000 + b"]" * 5_000,
        b"[" * 300 + b"]" * 300,
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        b"\x00",
        b"NaN",
        b"9" * 4_301,
    ],
)
async def test_what_is_no_json_is_text_only(api: Api, value: bytes) -> None:
    """Also what is nested so deep, or has so long a number, that clients could not read the whole answer."""
    await api.index.note([a_failure(value=value)])
    shown = (await api.client.get(ONE)).json()["value"]
    assert shown["text"] == value.decode()
    assert "json" not in shown


async def test_large_value_is_told_by_its_place(api: Api) -> None:
    """Its bytes are there."""
    value = b" " * (MAX_SHOWN_BYTES + 1)
    await api.index.note([a_failure(value=value, key=value)])
    letter = (await api.client.get(ONE)).json()
    assert letter["value"] == {"size": len(value), "url": ITS_VALUE}
    assert letter["key"] == {"size": len(value)}
    assert (await api.client.get(letter["value"]["url"])).content == value


async def test_value_is_served_as_file(api: Api) -> None:
    """No browser shows it."""
    await put(api)
    response = await api.client.get(ITS_VALUE)
    assert (response.content, response.headers["content-type"]) == (VALUE, "application/octet-stream")
    assert response.headers["content-disposition"] == 'attachment; filename="dead-letter-0-1"'


async def test_conflict_names_stored_event_and_differences(api: Api) -> None:
    """Field by field, in the order from the stored one to the letter."""
    stored = an_event(event_id=EVENT_ID, payload=b'{"n":2,"same":[1]}')
    await api.store.add(delivered(stored))
    value = b'{"eventId":"%b","userId":"other","eventType":"LOGIN","payload":{"n":1,"same":[1.0]}}' % (
        str(EVENT_ID).encode()
    )
    await api.index.note([a_failure(kind="conflict", event_id=EVENT_ID, value=value)])
    conflict = (await api.client.get(ONE)).json()["conflict"]
    assert conflict["stored"]["id"] == str(EVENT_ID)
    assert conflict["differences"] == [
        {"pointer": "/userId", "before": f'"{stored.user_id}"', "after": '"other"'},
        {"pointer": "/payload/n", "before": "2", "after": "1"},
    ]


async def test_conflict_of_unreadable_letter_has_no_differences(api: Api) -> None:
    """And without a stored event there is no conflict."""
    await api.index.note([a_failure(kind="conflict", event_id=EVENT_ID, value=b"{")])
    assert (await api.client.get(ONE)).json()["conflict"] is None
    await api.store.add(delivered(an_event(event_id=EVENT_ID)))
    assert (await api.client.get(ONE)).json()["conflict"]["differences"] is None


@pytest.mark.parametrize("path", ["", "/value"])
@pytest.mark.parametrize("letter_id", [*WRONG_IDS, "0-2", "dlq-0-1"])
async def test_unknown_letter_gets_404(api: Api, letter_id: str, path: str) -> None:
    """And so does what is no id."""
    await put(api)
    for method in ("GET", "PUT") if path else ("GET",):
        response = await api.client.request(
            method,
            f"/dead-letters/{letter_id}{path}" + ("?reason=a" if method == "PUT" else ""),
            content=MENDED,
            headers={"content-type": "application/json"},
        )
        assert response.status_code == 404, response.text
        assert "dead letter" in response.json()["detail"]


@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream"])
async def test_edit_keeps_original_value(api: Api, content_type: str) -> None:
    """The answer, the letter and its values tell of it."""
    await put(api)
    response = await api.client.put(
        ITS_VALUE, params={"reason": "no id"}, content=MENDED, headers={"content-type": content_type}
    )
    assert response.status_code == 200, response.text
    answer = response.json()
    assert {**answer, "at": ""} == {
        "number": 1,
        "at": "",
        "who": "api",
        "reason": "no id",
        "valueBytes": len(MENDED),
        "valueUrl": f"{ITS_VALUE}?edit=1",
        "differences": [
            {"pointer": "/eventId", "before": None, "after": f'"{EVENT_ID}"'},
            {"pointer": "/timestamp", "before": None, "after": "null"},
            {"pointer": "/payload", "before": None, "after": '{"n": 1}'},
        ],
    }
    letter = (await api.client.get(ONE)).json()
    assert letter["editHistory"] == [answer]
    assert (letter["edits"], letter["eventId"], letter["value"]["text"]) == (1, str(EVENT_ID), MENDED.decode())
    assert (await api.client.get(ITS_VALUE)).content == MENDED
    assert (await api.client.get(f"{ITS_VALUE}?edit=1")).content == MENDED
    assert (await api.client.get(letter["originalValueUrl"])).content == VALUE
    assert (await api.client.get(f"{ITS_VALUE}?edit=2")).status_code == 404
    [entry] = (await api.client.get("/audit-log")).json()
    assert (entry["action"], entry["who"], entry["reason"]) == ("edit", "api", "no id")


async def test_edit_of_what_was_no_json_has_no_differences(api: Api) -> None:
    """Also of what Python alone takes for JSON."""
    await api.index.note([a_failure(value=b'{"a": NaN, "b": 1e99999999999999999999}')])
    response = await api.client.put(ITS_VALUE, params={"reason": "a"}, json=json.loads(MENDED))
    assert response.json()["differences"] is None


async def test_long_differences_are_cut_off(api: Api) -> None:
    """A list is for people to read."""
    payload = {"long": "x" * 5_000, "n" * 5_000: {str(number): number for number in range(200)}}
    await put(api)
    value = {**json.loads(MENDED), "payload": payload}
    await edit(api, MENDED)
    response = await api.client.put(ITS_VALUE, params={"reason": "a"}, json=value)
    differences = response.json()["differences"]
    assert len(differences) <= 100
    assert max(len(difference["pointer"]) for difference in differences) <= 1_001
    assert max(len(difference["after"] or "") for difference in differences) <= 1_001


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (b"", {"value"}),
        (b"{", {"value"}),
        (b"\xff", {"value"}),
        (b"[]", {"value"}),
        (b"[" * 10_000, {"value"}),
        (b'{"eventId":"x","userId":"","eventType":"LOGIN"}', {"eventId", "userId"}),
        (MENDED.replace(b'{"n":1}', b"[1]"), {"payload"}),
    ],
)
async def test_wrong_value_gets_422_with_all_errors(api: Api, value: bytes, fields: set[str]) -> None:
    """As at the edge; nothing is edited."""
    await put(api)
    response = await api.client.put(
        ITS_VALUE, params={"reason": "a"}, content=value, headers={"content-type": "application/json"}
    )
    assert response.status_code == 422
    assert {error["field"] for error in response.json()["errors"]} == fields
    assert (await api.client.get(ONE)).json()["edits"] == 0


@pytest.mark.parametrize("reason", [None, "", " ", "a" * 501])
async def test_edit_needs_reason(api: Api, reason: str | None) -> None:
    """For the audit log."""
    await put(api)
    assert await edit(api, MENDED, reason) == 422


async def test_edit_of_other_type_or_size_is_refused(api: Api) -> None:
    """Before it is read."""
    await put(api)
    assert await edit(api, MENDED, content_type="text/plain") == 415
    assert await edit(api, b" " * (MAX_BODY_BYTES + 1)) == 413


async def test_letter_that_is_not_dead_cannot_be_edited(api: Api) -> None:
    """It would change what was decided on."""
    await put(api)
    await api.client.post("/dead-letters/discard", json={"ids": ["0-1"], "reason": "noise"})
    assert await edit(api, MENDED) == 409


@pytest.mark.parametrize("query", ["edit=-1", "edit=x", "edit=", "edit=1&edit=1", "number=1", "edit=" + "9" * 30])
async def test_invalid_edit_number_gets_422(api: Api, query: str) -> None:
    """With the name of the parameter."""
    await put(api)
    assert (await api.client.get(f"{ITS_VALUE}?{query}")).status_code == 422


async def test_letter_without_value_has_none(api: Api) -> None:
    """Such as the tombstone of a compacted topic."""
    await put(api, value=None)
    assert (await api.client.get(ONE)).json()["value"] is None
    assert (await api.client.get(ITS_VALUE)).status_code == 404


async def test_links_begin_with_prefix() -> None:
    """As a client of the proxy sees them."""
    async with an_api(prefix=Prefix("/a/b")) as api:
        await put(api)
        await edit(api, MENDED)
        letter = (await api.client.get(ONE)).json()
    assert letter["originalValueUrl"] == f"/a/b{ITS_VALUE}?edit=0"
    assert letter["editHistory"][0]["valueUrl"] == f"/a/b{ITS_VALUE}?edit=1"


async def test_methods_of_value(api: Api) -> None:
    """Reading and writing share a path."""
    response = await api.client.options(ITS_VALUE)
    assert response.headers["allow"] == "GET, HEAD, OPTIONS, PUT"
    assert (await api.client.post(ITS_VALUE)).status_code == 405
    assert (await api.client.post(ONE)).status_code == 405
