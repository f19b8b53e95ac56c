"""For any mix of items, results are in order, and the log has exactly the published ones."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from application.ports import Receipt
from domain.errors import Rejected, Unavailable
from domain.event import UserEvent
from tests.support.api import MAX_BATCH_EVENTS, MAX_BODY_BYTES, TOPIC, Api
from tests.support.events import decode

# The API of a test serves all its examples: each begins with an empty log.
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


Entry = tuple[str, int, str]
"""A user, the number in the payload, and the event's id."""


@dataclass(frozen=True)
class Item:
    """An item of a batch on one line, what becomes of it, and whose event it is with which number in its payload."""

    written: bytes
    status: str
    user: str = ""
    number: int = 0


class Fickle:
    """A publisher that rejects or loses events according to their payload."""

    def __init__(self, api: Api) -> None:
        self._append = api.publisher._append

    async def publish(
        self, events: Sequence[UserEvent], _trace: bytes | None = None
    ) -> Sequence[Receipt | Rejected | Unavailable]:
        return [self._outcome(event) for event in events]

    def _outcome(self, event: UserEvent) -> Receipt | Rejected | Unavailable:
        if b'"retry"' in event.payload:
            return Unavailable("no answer")
        return Rejected("too large") if b'"rejected"' in event.payload else self._append(event, ())


@st.composite
def events(draw: st.DrawFn) -> Item:
    """A valid event of one of two users, and what its payload asks of the log."""
    status = draw(st.sampled_from(["published", "published", "rejected", "retry"]))
    user = draw(st.sampled_from(["a", "ü"]))
    number = draw(st.integers(0, 1_000_000))
    fields = {
        "userId": user,
        "eventType": draw(st.sampled_from(["LOGIN", "LOGOUT"])),
        "payload": {"fate": status, "number": number},
    }
    if draw(st.booleans()):
        fields["eventId"] = str(draw(st.uuids()))
    spaces = b" " * draw(st.integers(0, 2))
    return Item(spaces + json.dumps(fields, ensure_ascii=draw(st.booleans())).encode() + spaces, status, user, number)


no_events = st.one_of(
    st.sampled_from([b"1", b"null", b'"{"', b"[]", b"{}", b'{"userId":1e999}', b'{"x":"\xff"}', b'{"payload":[]}']),
    st.just(b'{"userId":"a","eventType":"LOGIN","x":"%s"}' % (b"x" * MAX_BODY_BYTES)),
).map(lambda written: Item(written, "rejected"))
mixes = st.lists(events() | no_events, max_size=MAX_BATCH_EVENTS).filter(
    lambda items: sum(len(item.written) > MAX_BODY_BYTES for item in items) < 4
)


@shared
@given(items=mixes, is_array=st.booleans())
async def test_results_match_contents_of_log(
    api: Api, monkeypatch: pytest.MonkeyPatch, items: list[Item], *, is_array: bool
) -> None:
    """In the order of the items; the log has the same order for each user."""
    api.log.topics.clear()
    with monkeypatch.context() as patch:
        patch.setattr(api.publisher, "publish", Fickle(api).publish)
        written = [item.written for item in items]
        body = b"[" + b",".join(written) + b"]" if is_array else b"\r\n\n".join(written)
        response = await api.post_batch(body, "application/json" if is_array else "application/x-ndjson")
    assert response.status_code == 200
    results = response.json()["results"]
    assert [result["status"] for result in results] == [item.status for item in items]
    assert ("retry-after" in response.headers) == any(item.status == "retry" for item in items)

    published = [
        (item.user, item.number, result["eventId"])
        for result, item in zip(results, items, strict=True)
        if item.status == "published"
    ]
    assert of_user("a", published) == of_user("a", stored(api))
    assert of_user("ü", published) == of_user("ü", stored(api))


def of_user(user: str, entries: list[Entry]) -> list[Entry]:
    """Select the events of one user."""
    return [entry for entry in entries if entry[0] == user]


def stored(api: Api) -> list[Entry]:
    """Read the log, partition by partition."""
    events = [event for record in api.log.records(TOPIC) if isinstance(event := decode(record), UserEvent)]
    return [(event.user_id, json.loads(event.payload)["number"], str(event.id)) for event in events]
