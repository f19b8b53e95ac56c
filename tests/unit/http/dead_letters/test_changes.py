"""`POST /dead-letters/replays`, `/dead-letters/discard` and `/dead-letters/restore`."""

from typing import Any

import httpx
import pytest

from application.dead_letters.change_letters import MAX_AT_ONCE
from domain.errors import Unavailable
from entrypoints.http.openapi.dead_letter_schemas import ORDER_EXAMPLES
from entrypoints.http.prefix import Prefix
from entrypoints.http.requests.letter_filter import MAX_IDS
from tests.support.api import MAX_BODY_BYTES, Api, an_api
from tests.unit.http.dead_letters.letters import a_failure, put

REPLAY, DISCARD, RESTORE = "/dead-letters/replays", "/dead-letters/discard", "/dead-letters/restore"
CHANGES = [REPLAY, DISCARD, RESTORE]


async def post(api: Api, path: str, **members: Any) -> httpx.Response:
    """Order a change."""
    return await api.client.post(path, json={"reason": "because", **members})


async def states(api: Api) -> dict[str, str]:
    """The states of all letters."""
    return {letter["id"]: letter["state"] for letter in (await api.client.get("/dead-letters")).json()}


async def test_discard_and_restore(api: Api) -> None:
    """By a field of the filter, and by ids; each has its entry in the audit log."""
    await api.index.note([a_failure(1), a_failure(2, kind="rejected"), a_failure(3, kind="rejected")])
    response = await post(api, DISCARD, kind="rejected")
    assert (response.status_code, response.json()) == (200, {"changed": 2})
    assert await states(api) == {"0-1": "dead", "0-2": "discarded", "0-3": "discarded"}
    restored = await api.client.post(RESTORE, json={"ids": ["0-3", "0-3", "0-9", "0-1"]})
    assert restored.json() == {"changed": 1}
    assert (await states(api))["0-3"] == "dead"
    last, first = (await api.client.get("/audit-log")).json()
    assert (first["action"], first["who"], first["filter"], first["reason"]) == (
        "discard",
        "api",
        {"kind": "rejected"},
        "because",
    )
    assert (last["action"], last["filter"], last["reason"]) == ("restore", {"ids": ["0-3", "0-9", "0-1"]}, "")


async def test_replay_makes_job(api: Api) -> None:
    """With all its terms; `Location` says where it is."""
    await put(api, 2)
    terms = {"canary": 1, "ratePerSecond": 2.5, "maxReplays": 7, "newEventId": True}
    response = await post(api, REPLAY, userId="user-1", **terms)
    assert response.status_code == 202
    job = response.json()
    assert response.headers["location"] == f"{REPLAY}/{job['id']}"
    assert {name: job[name] for name in terms} == terms
    assert (job["action"], job["state"], job["who"], job["reason"]) == ("replay", "running", "api", "because")
    assert (job["filter"], job["letters"], job["counts"]["waiting"]) == ({"userId": "user-1"}, 2, 2)
    assert (await api.client.get(response.headers["location"])).status_code == 200
    assert set((await states(api)).values()) == {"replaying"}


async def test_terms_of_replay_are_optional(api: Api) -> None:
    """Their defaults are those of the use case."""
    await put(api)
    job = (await post(api, REPLAY, ids=["0-1"])).json()
    assert (job["canary"], job["ratePerSecond"], job["maxReplays"], job["newEventId"]) == (0, None, 5, False)


@pytest.mark.parametrize("path", [DISCARD, RESTORE])
async def test_change_of_many_letters_is_job(api: Api, path: str) -> None:
    """It would hold the request up."""
    await put(api, MAX_AT_ONCE + 1)
    if path == RESTORE:
        for first in (1, MAX_AT_ONCE // 2 + 1):
            await post(api, DISCARD, ids=[f"0-{first + number}" for number in range(MAX_AT_ONCE // 2 + 1)])
    response = await post(api, path, userId="user-1")
    assert response.status_code == 202
    assert response.headers["location"] == f"{REPLAY}/{response.json()['id']}"
    assert response.json()["letters"] == MAX_AT_ONCE + 1


async def test_location_begins_with_prefix() -> None:
    """As a client of the proxy sees it."""
    async with an_api(prefix=Prefix("/a/b")) as api:
        response = await post(api, REPLAY, ids=["0-1"])
    assert response.headers["location"].startswith("/a/b/dead-letters/replays/")


@pytest.mark.parametrize("path", CHANGES)
async def test_dry_run_changes_nothing(api: Api, path: str) -> None:
    """It tells the count, the groups, a sample, and why others are skipped."""
    conflict = a_failure(2, kind="conflict", fingerprint="ffffffff")
    await api.index.note([a_failure(1), conflict, a_failure(3)])
    await post(api, DISCARD, ids=["0-3"])
    before = await states(api)
    response = await post(api, path, userId="user-1", dryRun=True)
    assert response.status_code == 200
    preview = response.json()
    assert preview["count"] == {REPLAY: 1, DISCARD: 2, RESTORE: 1}[path]
    assert sum(group["count"] for group in preview["groups"]) == preview["count"]
    skipped = {each["reason"]: each["count"] for each in preview["skipped"]}
    assert skipped == {REPLAY: {"state": 1, "conflict": 1}, DISCARD: {"state": 1}, RESTORE: {"state": 2}}[path]
    assert await states(api) == before
    assert len((await api.client.get("/audit-log")).json()) == 1


async def test_preview_of_nothing_has_no_times(api: Api) -> None:
    """Null says so."""
    preview = (await post(api, DISCARD, userId="nobody", dryRun=True)).json()
    assert preview == {"count": 0, "groups": [], "oldest": None, "newest": None, "sample": [], "skipped": []}


@pytest.mark.parametrize("path", [REPLAY, DISCARD])
async def test_changed_count_gets_409(api: Api, path: str) -> None:
    """Somebody else was there since the dry run."""
    await put(api, 2)
    response = await post(api, path, userId="user-1", expectedCount=3)
    assert response.status_code == 409
    assert "2 dead letters" in response.json()["detail"]
    assert set((await states(api)).values()) == {"dead"}
    assert (await post(api, path, userId="user-1", expectedCount=2)).is_success


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({}, "body"),
        ({"ids": []}, "ids"),
        ({"ids": "0-1"}, "ids"),
        ({"ids": [1]}, "ids"),
        ({"ids": ["x"]}, "ids"),
        ({"ids": None}, "ids"),
        ({"userId": None}, "userId"),
        ({"userId": ""}, "userId"),
        ({"userId": 7}, "userId"),
        ({"userId": "\0"}, "userId"),
        ({"state": "gone"}, "state"),
        ({"state": ["dead"]}, "state"),
        ({"kind": {}}, "kind"),
        ({"since": 0}, "since"),
        ({"eventId": "0"}, "eventId"),
        ({"ids": ["0-1"], "reason": None}, "reason"),
        ({"ids": ["0-1"], "reason": " "}, "reason"),
        ({"ids": ["0-1"], "reason": "a" * 501}, "reason"),
        ({"ids": ["0-1"], "dryRun": 1}, "dryRun"),
        ({"ids": ["0-1"], "expectedCount": -1}, "expectedCount"),
        ({"ids": ["0-1"], "expectedCount": True}, "expectedCount"),
        ({"ids": ["0-1"], "expectedCount": 1.5}, "expectedCount"),
        ({"ids": ["0-1"], "expectedCount": "1"}, "expectedCount"),
        ({"ids": ["0-1"], "user_id": "a"}, "user_id"),
        ({"ids": ["0-1"], "limit": 1}, "limit"),
        ({"ids": ["0-1"], "": 1}, ""),
    ],
)
@pytest.mark.parametrize("path", CHANGES)
async def test_invalid_member_gets_422_with_its_name(
    api: Api, path: str, members: dict[str, object], field: str
) -> None:
    """Nothing is done; null does not mean everything."""
    await put(api)
    response = await post(api, path, **members)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert await states(api) == {"0-1": "dead"}


async def test_number_of_ids_is_bounded() -> None:
    """Also below the limit of bodies."""
    async with an_api(max_body_bytes=1_000_000) as api:
        response = await post(api, DISCARD, ids=["0-1"] * (MAX_IDS + 1))
        assert [error["field"] for error in response.json()["errors"]] == ["ids"]
        assert (await post(api, DISCARD, ids=["0-1"] * MAX_IDS)).json() == {"changed": 0}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("canary", -1),
        ("canary", "1"),
        ("ratePerSecond", 0),
        ("ratePerSecond", True),
        ("ratePerSecond", 10**30),
        ("ratePerSecond", "1"),
        ("maxReplays", 0),
        ("maxReplays", 1_001),
        ("newEventId", "yes"),
    ],
)
async def test_invalid_term_of_replay_gets_422(api: Api, member: str, value: object) -> None:
    """And a discard has no such terms at all."""
    for path in CHANGES:
        response = await post(api, path, ids=["0-1"], **{member: value})
        assert response.status_code == 422
        [error] = response.json()["errors"]
        assert error["field"] == member
        assert ("is unknown" in error["message"]) == (path != REPLAY)


async def test_all_problems_are_reported_together(api: Api) -> None:
    """The client can correct them at once."""
    response = await api.client.post(REPLAY, json={"state": "gone", "canary": -1, "Ids": []})
    assert {error["field"] for error in response.json()["errors"]} == {"state", "canary", "Ids", "reason"}
    assert "did you mean ids?" in response.text


@pytest.mark.parametrize("path", CHANGES)
async def test_repeated_member_gets_422(api: Api, path: str) -> None:
    """Which of them is meant would be a guess; a member of the same name further in is another one."""
    body = b'{"reason":"a","kind":"invalid","kind":"conflict","since":{"kind":1,"reason":2}}'
    response = await api.client.post(path, content=body, headers={"content-type": "application/json"})
    errors = {error["field"]: error["message"] for error in response.json()["errors"]}
    assert errors == {"kind": "must be given only once", "since": "must be a string"}


@pytest.mark.parametrize("path", [REPLAY, DISCARD])
async def test_reason_is_required(api: Api, path: str) -> None:
    """For the audit log; a restore needs none."""
    response = await api.client.post(path, json={"ids": ["0-1"]})
    assert [error["field"] for error in response.json()["errors"]] == ["reason"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"reason":"\xff"}', 400),
        (b'{"reason":"\\ud800"}', 400),
        (b"[]", 422),
        (b"null", 422),
        (b'{"canary":1e999999}', 422),
        (b'{"ids":' + b"[" * 5_000 + b"]" * 5_000 + b"}", 422),
        (b" " * (MAX_BODY_BYTES + 1), 413),
    ],
)
@pytest.mark.parametrize("path", CHANGES)
async def test_unreadable_body_is_refused(api: Api, path: str, body: bytes, status: int) -> None:
    """As bodies of other routes."""
    response = await api.client.post(path, content=body, headers={"content-type": "application/json"})
    assert response.status_code == status


@pytest.mark.parametrize("path", CHANGES)
async def test_other_media_type_gets_415(api: Api, path: str) -> None:
    """Pages can post text without asking."""
    response = await api.client.post(path, content=b'{"ids":["0-1"]}', headers={"content-type": "text/plain"})
    assert response.status_code == 415


@pytest.mark.parametrize("path", CHANGES)
async def test_outage_gets_503(api: Api, path: str) -> None:
    """Nobody knows whether it was done."""
    api.index.outage = api.jobs.outage = Unavailable("db.internal refused")
    response = await post(api, path, ids=["0-1"])
    assert response.status_code == 503
    assert "db.internal" not in response.text


@pytest.mark.parametrize("path", CHANGES)
async def test_methods(api: Api, path: str) -> None:
    """A path of changes is not that of a letter."""
    allow = (await api.client.options(path)).headers["allow"]
    assert allow == ("GET, HEAD, OPTIONS, POST" if path == REPLAY else "OPTIONS, POST")
    assert (await api.client.put(path)).status_code == 405


async def test_examples_of_document_are_accepted(api: Api) -> None:
    """As they are copied."""
    for action, path in zip(ORDER_EXAMPLES, CHANGES, strict=True):
        response = await api.client.post(path, json=ORDER_EXAMPLES[action])
        assert response.is_success, response.text
