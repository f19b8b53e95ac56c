"""`POST /events/batch`: the result for each event, and the errors of a whole batch."""

import json

import pytest

from domain.errors import Rejected
from tests.support.api import MAX_BATCH_EVENTS, MAX_BODY_BYTES, Api
from tests.support.batches import EVENT_ID, GOOD, NDJSON, array, published, results


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b" [ %b ,\r\n\t%b ] " % (GOOD, GOOD), "application/json"),
        (b"%b\n%b" % (GOOD, GOOD), NDJSON),
        (b"%b\n%b\n" % (GOOD, GOOD), "application/ndjson"),
        (b"\n \t\r\n%b\r\n\r\n   %b  \r\n\n" % (GOOD, GOOD), "Application/X-NDJSON; charset=utf-8"),
    ],
)
async def test_events_in_any_format_are_published(api: Api, body: bytes, content_type: str) -> None:
    """An array, or NDJSON with either line end; blank lines are ignored."""
    found = await results(api, body, content_type)
    assert [result["status"] for result in found] == ["published", "published"]
    assert {result["eventId"] for result in found} == {str(event.id) for event in published(api)}


@pytest.mark.parametrize(("body", "content_type"), [(b"[]", "application/json"), (b"", NDJSON), (b" \r\n\n\t", NDJSON)])
async def test_empty_batch_has_no_results(api: Api, body: bytes, content_type: str) -> None:
    """It is a batch like any other."""
    assert await results(api, body, content_type) == []


async def test_order_of_a_user_is_kept(api: Api) -> None:
    """All of a batch goes to the log in one call."""
    items = [b'{"userId":"u","eventType":"LOGIN","payload":{"n":%d}}' % number for number in range(MAX_BATCH_EVENTS)]
    found = await results(api, array(*items))
    assert [event.payload for event in published(api)] == [b'{"n":%d}' % number for number in range(MAX_BATCH_EVENTS)]
    assert [result["eventId"] for result in found] == [str(event.id) for event in published(api)]


@pytest.mark.parametrize("content_type", ["application/json", NDJSON])
async def test_payload_is_published_byte_for_byte(api: Api, content_type: str) -> None:
    """The same as for a single event."""
    payload = b'{ "a" : 1.50,  "b":[1e2, 12345678901234567890123],"c":"\\u00e9\xc3\xa9", "c":null }'
    item = b'{"userId":"u","eventType":"LOGIN","payload":  ' + payload + b" }"
    await results(api, array(GOOD, item) if content_type == "application/json" else GOOD + b"\n" + item, content_type)
    assert payload in [event.payload for event in published(api)]


@pytest.mark.parametrize("bad", [b"1", b"null", b'"text"', b"[]", b'{"userId":"u","eventType":"LOGIN","a":"\xff"}'])
@pytest.mark.parametrize("content_type", ["application/json", NDJSON])
async def test_non_object_or_non_utf8_item_is_rejected_alone(api: Api, bad: bytes, content_type: str) -> None:
    """Its neighbours are published."""
    body = array(GOOD, bad, GOOD) if content_type == "application/json" else b"\n".join([GOOD, bad, GOOD])
    found = await results(api, body, content_type)
    assert [result["status"] for result in found] == ["published", "rejected", "published"]
    assert [error["field"] for error in found[1]["errors"]] == ["body"]
    assert "eventId" not in found[1]
    assert len(published(api)) == 2


@pytest.mark.parametrize(
    "bad",
    [b"{", b"}", b"{'a':1}", GOOD + b",", b"\xff", b"\xef\xbb\xbf" + GOOD, b'{"a":' * 3_000, b"\x00"],
)
async def test_malformed_line_is_rejected_alone(api: Api, bad: bytes) -> None:
    """The end of a line is known, whatever it contains."""
    found = await results(api, b"\n".join([GOOD, bad, GOOD]), NDJSON)
    assert [result["status"] for result in found] == ["published", "rejected", "published"]
    assert found[1]["errors"][0]["message"].startswith("cannot be read: ")


@pytest.mark.parametrize("content_type", ["application/json", NDJSON])
async def test_byte_order_mark_is_skipped(api: Api, content_type: str) -> None:
    """Editors and libraries write one before a text."""
    body = array(GOOD, GOOD) if content_type == "application/json" else GOOD + b"\n" + GOOD
    assert len(await results(api, b"\xef\xbb\xbf" + body, content_type)) == 2
    assert len(published(api)) == 2


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"  ",
        b"{}",
        b"1",
        b"null",
        GOOD,
        b"[",
        array(GOOD)[:-1],
        array(GOOD, b""),
        array(GOOD) + b"x",
        b"[" * 9_000,
        array(GOOD, b"["),
        array(GOOD, b"{'a':1}"),
        array(GOOD, b'{"userId":"\\ud83d","eventType":LOGIN}'),
        array(GOOD, b'{"userId":"\\ud83d"}')[:-1],
        array(GOOD, b'{"userId":"\\ud83d"}') + b"x",
        array(GOOD, b'{"userId":"\\ud83d"}', b""),
        b"\xef\xbb\xbf\xef\xbb\xbf[]",
    ],
)
async def test_body_without_array_gets_400(api: Api, malformed: bytes) -> None:
    """The items cannot be separated, so nothing is published."""
    response = await api.post_batch(malformed)
    assert response.status_code == 400
    assert response.json()["detail"].startswith("The body cannot be read: ")
    assert published(api) == []


async def test_invalid_event_is_rejected_with_every_problem_and_its_id(api: Api) -> None:
    """The client can identify the event and correct all problems at once."""
    bad = {"userId": 7, "eventType": "JUMP", "eventId": EVENT_ID, "timestamp": "2026-01-01", "payload": [1]}
    found = await results(api, array(GOOD, json.dumps(bad).encode()))
    assert [error["field"] for error in found[1]["errors"]] == ["userId", "eventType", "timestamp", "payload"]
    assert found[1]["eventId"] == EVENT_ID
    assert len(published(api)) == 1


@pytest.mark.parametrize("event_id", ["x", 1, f"{{{EVENT_ID}}}", ""])
async def test_invalid_id_is_not_returned(api: Api, event_id: object) -> None:
    """The result contains valid ids only."""
    bad = {"userId": "u", "eventType": "LOGIN", "eventId": event_id}
    [found] = await results(api, array(json.dumps(bad).encode()))
    assert (found["status"], [error["field"] for error in found["errors"]]) == ("rejected", ["eventId"])
    assert "eventId" not in found


async def test_id_is_returned_in_canonical_form(api: Api) -> None:
    """The validator accepts more spellings than the decoder."""
    spelled = {"userId": "u", "eventType": "JUMP", "eventId": EVENT_ID.replace("-", "", 1).upper()}
    [found] = await results(api, array(json.dumps(spelled).encode()))
    assert found["eventId"] == EVENT_ID


async def test_event_over_body_limit_is_rejected_alone(api: Api) -> None:
    """What cannot be published alone cannot be published in a batch."""
    fitting, larger = (
        b'{"userId":"u","eventType":"LOGIN","eventId":"%s","payload":{}%b}' % (EVENT_ID.encode(), b" " * padding)
        for padding in (MAX_BODY_BYTES - 100, MAX_BODY_BYTES)
    )
    found = await results(api, array(larger, fitting))
    assert [result["status"] for result in found] == ["rejected", "published"]
    assert found[0]["eventId"] == EVENT_ID
    assert str(MAX_BODY_BYTES) in found[0]["errors"][0]["message"]


async def test_event_with_long_printed_numbers_is_rejected_alone(api: Api) -> None:
    """A hundred bytes may print a hundred kilobytes."""
    growing = b'{"userId":"u","eventType":"LOGIN","eventId":"%s","payload":{"a":[%b1]}}'
    found = await results(api, array(GOOD, growing % (EVENT_ID.encode(), b"1e8000," * 100), GOOD))
    assert [result["status"] for result in found] == ["published", "rejected", "published"]
    assert found[1]["eventId"] == EVENT_ID
    assert [error["field"] for error in found[1]["errors"]] == ["payload"]


async def test_event_too_large_for_the_log_is_rejected_with_its_id(api: Api) -> None:
    """A retry would fail, too."""
    api.publisher.outage = Rejected("the record is too large")
    found = await results(api, array(GOOD, b'{"userId":"u","eventType":"LOGIN","eventId":"%s"}' % EVENT_ID.encode()))
    assert [result["status"] for result in found] == ["rejected", "rejected"]
    assert [result.get("eventId") for result in found] == [None, EVENT_ID]
