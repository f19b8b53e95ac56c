"""`POST /events/batch`: limits, and outages of the log."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from application.ports import Receipt
from domain.errors import Rejected, Unavailable, WrongDeployment
from domain.event import UserEvent
from tests.support.api import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, TOPIC, Api
from tests.support.batches import GOOD, NDJSON, UNSTORABLE, array, published, results


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
