"""`POST /events/batch`: the result for each event, and the errors of a whole batch."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from adapters import wire
from application.ports import Receipt
from domain.errors import Rejected, Unavailable, WrongDeployment
from domain.event import UserEvent
from tests.support.api import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_BODY_BYTES, TOPIC, Api

EVENT_ID = "0198f3c0-1111-7abc-8def-0123456789ab"
NDJSON = "application/x-ndjson"
GOOD = b'{"userId":"user-1","eventType":"LOGIN"}'
UNSTORABLE = b'{"userId":"user-1","eventType":"JUMP","eventId":"%s"}' % EVENT_ID.encode()


def published(api: Api) -> list[UserEvent]:
    """Read the events in the log, partition by partition."""
    events = [wire.decode(record) for record in api.log.records(TOPIC)]
    return [event for event in events if isinstance(event, UserEvent)]


def array(*items: bytes) -> bytes:
    """Write a JSON array."""
    return b"[" + b",".join(items) + b"]"


async def results(api: Api, body: bytes, content_type: str = "application/json") -> list[dict[str, Any]]:
    """Post a batch that gets a 200, and return its results."""
    response = await api.post_batch(body, content_type)
    assert response.status_code == 200
    found: list[dict[str, Any]] = response.json()["results"]
    return found


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


async def test_batch_over_event_limit_gets_413(api: Api) -> None:
    """The whole batch is rejected, because no selection of its events would be better than another."""
    full = [GOOD] * MAX_BATCH_EVENTS
    assert len(await results(api, array(*full))) == MAX_BATCH_EVENTS
    assert len(await results(api, b"\n".join(full), NDJSON)) == MAX_BATCH_EVENTS
    assert len(published(api)) == 2 * MAX_BATCH_EVENTS
    for body, content_type in ((array(*full, b"1"), "application/json"), (b"\n".join([*full, b"1"]), NDJSON)):
        response = await api.post_batch(body, content_type)
        assert response.status_code == 413
        assert response.json()["detail"] == f"A batch must not have more than {MAX_BATCH_EVENTS} events."
    assert len(published(api)) == 2 * MAX_BATCH_EVENTS


async def test_body_over_limit_gets_413(api: Api) -> None:
    """A batch has a limit of its own."""
    padding = MAX_BATCH_BYTES - len(array(GOOD))
    assert len(await results(api, array(GOOD) + b" " * padding)) == 1
    assert (await api.post_batch(array(GOOD) + b" " * (padding + 1))).status_code == 413
    assert len(published(api)) == 1


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json; charset=latin-1", "text/x-ndjson"])
async def test_other_content_types_get_415(api: Api, content_type: str) -> None:
    """The response lists the valid ones."""
    response = await api.post_batch(array(GOOD), content_type)
    assert response.status_code == 415
    assert response.headers["accept"] == "application/json, application/x-ndjson, application/ndjson"


async def test_only_unacknowledged_events_must_be_retried(api: Api) -> None:
    """Invalid events are still rejected, and one log line counts the unacknowledged ones."""
    api.publisher.outage = Unavailable("no answer from broker-1.internal")
    with capture_logs() as lines:
        response = await api.post_batch(array(GOOD, UNSTORABLE, b'{"userId":"u","eventType":"LOGIN","eventId":null}'))
    found = response.json()["results"]
    assert response.status_code == 200
    assert [result["status"] for result in found] == ["retry", "rejected", "retry"]
    assert all(UUID(found[place]["eventId"]).version == 7 for place in (0, 2))
    assert int(response.headers["retry-after"]) > 0
    assert "broker-1" not in response.text
    assert [(line["event"], line.get("events"), line.get("cause")) for line in lines] == [
        ("events not acknowledged", 2, "no answer from broker-1.internal"),
        ("request", None, None),
    ]
    assert lines[-1]["outcome"] == {"published": 0, "rejected": 1, "retry": 2}


async def test_partial_outage_has_result_per_event(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """One partition's leader may be away while the others answer."""

    async def publish(
        _: Sequence[UserEvent], _trace: bytes | None = None
    ) -> Sequence[Receipt | Rejected | Unavailable]:
        return [Receipt(0, 0), Unavailable("no leader"), Rejected("too large"), Receipt(0, 1)]

    monkeypatch.setattr(api.publisher, "publish", publish)
    response = await api.post_batch(array(GOOD, GOOD, UNSTORABLE, GOOD, GOOD))
    found = response.json()["results"]
    assert [result["status"] for result in found] == ["published", "retry", "rejected", "rejected", "published"]
    assert int(response.headers["retry-after"]) > 0


async def test_batch_log_line_counts_results(api: Api) -> None:
    """It counts events by result; log lines of other requests have no counts."""
    with capture_logs() as lines:
        await api.post_batch(array(GOOD, UNSTORABLE, GOOD, b"1", GOOD))
        await api.post_batch(array())
        await api.post_batch(b"[")
    counts = [line.get("outcome") for line in lines if line["event"] == "request"]
    nothing = {"published": 0, "rejected": 0, "retry": 0}
    assert counts == [{"published": 3, "rejected": 2, "retry": 0}, nothing, None]


async def test_response_without_retries_has_no_retry_after(api: Api) -> None:
    """Some clients retry because of the header alone."""
    assert "retry-after" not in (await api.post_batch(array(GOOD, UNSTORABLE))).headers


async def test_bug_fails_whole_batch_with_500(api: Api) -> None:
    """The cause is in the log, not in the response."""
    api.publisher.outage = KeyError("secret")
    response = await api.post_batch(array(GOOD))
    assert response.status_code == 500
    assert "secret" not in response.text


async def test_incompatible_deployment_makes_every_event_a_retry(api: Api) -> None:
    """After a person has corrected the deployment, the same ids can be sent again."""
    api.publisher.outage = WrongDeployment("no such table")
    response = await api.post_batch(array(GOOD))
    (result,) = response.json()["results"]
    assert (result["status"], "eventId" in result) == ("retry", True)
    assert "no such table" not in response.text


async def test_each_record_has_traceparent_of_request(api: Api) -> None:
    """The same as for a single event."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await api.post_batch(array(GOOD, GOOD), traceparent=trace)
    assert [dict(record.headers)["traceparent"] for record in api.log.records(TOPIC)] == [trace.encode()] * 2
