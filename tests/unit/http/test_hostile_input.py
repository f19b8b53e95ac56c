"""No client input causes a 5xx."""

import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.event import UserEvent
from tests.support.api import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_BODY_BYTES, TOPIC, Api, call
from tests.support.bombs import zstd
from tests.support.events import decode

JSON = [(b"content-type", b"application/json")]
# The API of a test serves all its examples: what one leaves behind must not harm the next.
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
field_names = st.sampled_from(["userId", "eventType", "eventId", "timestamp", "payload", "colour"])
nearly_events = st.dictionaries(field_names, json_values | st.sampled_from(["LOGIN", "user-1"])).map(
    lambda fields: json.dumps(fields).encode()
)
parameter_names = st.sampled_from([b"limit", b"cursor", b"userId", b"eventType", b"since", b"until", b"x"])
parameter_values = st.binary() | st.from_regex(rb"(?:%[0-9A-Fa-f]{2}|[0-9TZ:+.-]){0,40}", fullmatch=True)
queries = st.binary() | st.lists(st.tuples(parameter_names, parameter_values).map(b"=".join)).map(b"&".join)
accepts = st.binary() | st.sampled_from([b"application/json", b"text/csv", b"application/x-ndjson;q=.1,*/*;q=0"])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Insert bytes into an almost valid event."""
    whole = draw(nearly_events)
    place = draw(st.integers(0, len(whole)))
    return whole[:place] + draw(st.binary(max_size=4)) + whole[place + draw(st.integers(0, 3)) :]


batches = st.lists(st.binary() | nearly_events | damaged(), max_size=MAX_BATCH_EVENTS)


@shared
@given(body=st.binary() | nearly_events | damaged())
async def test_any_body_is_published_or_gets_4xx(api: Api, body: bytes) -> None:
    """The consumer can read all published events."""
    answer = await call(api.app, "POST", "/events/generate", headers=JSON, body=body)
    assert answer.status in {201, 400, 422}
    assert all(isinstance(decode(record), UserEvent) for record in api.log.records(TOPIC))


@shared
@given(
    opening=st.sampled_from([b"[", b'{"a":', b'[{"a":', b'"\\', b"1", b"\\u0000", b"\xc3"]), depth=st.integers(1, 5_000)
)
async def test_any_depth_and_length_is_published_or_rejected(api: Api, opening: bytes, depth: int) -> None:
    """Bombs of brackets, digits and escapes."""
    body = b'{"userId":"u","eventType":"LOGIN","payload":{"a":' + opening * depth
    answer = await call(api.app, "POST", "/events/generate", headers=JSON, body=body[: MAX_BODY_BYTES + 1])
    assert answer.status in {400, 413, 422}


@shared
@given(query=queries, accept=accepts)
async def test_any_query_and_accept_gets_no_5xx(api: Api, query: bytes, accept: bytes) -> None:
    """Raw bytes, bad escapes, repetitions and nonsense."""
    answer = await call(api.app, "GET", "/events/processed", query=query, headers=[(b"accept", accept)])
    assert answer.status in {200, 406, 422}


@shared
@given(path=st.text(), method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "TRACE", "X"]))
async def test_any_path_gets_no_5xx(api: Api, path: str, method: str) -> None:
    """Invalid ids, and paths without a route."""
    answer = await call(api.app, method, f"/events/{path}")
    assert 200 <= answer.status < 500


@shared
@given(name=st.sampled_from([b"content-type", b"content-encoding", b"x-request-id", b"host"]), value=st.binary())
async def test_any_header_gets_no_5xx(api: Api, name: bytes, value: bytes) -> None:
    """Headers may contain any bytes."""
    answer = await call(api.app, "POST", "/events/generate", headers=[(name, value)], body=b"{}")
    assert answer.status in {400, 415, 422}


@shared
@given(body=st.binary() | batches.map(lambda items: b"[%b]" % b",".join(items)))
async def test_any_array_gets_no_5xx(api: Api, body: bytes) -> None:
    """The consumer can read all published events."""
    answer = await call(api.app, "POST", "/events/batch", headers=JSON, body=body)
    assert answer.status in {200, 400, 413}
    assert all(isinstance(decode(record), UserEvent) for record in api.log.records(TOPIC))


@shared
@given(lines=batches)
async def test_any_lines_get_one_result_each(api: Api, lines: list[bytes]) -> None:
    """Unless there are too many, because the bytes contain line ends."""
    headers = [(b"content-type", b"application/x-ndjson")]
    answer = await call(api.app, "POST", "/events/batch", headers=headers, body=b"\n".join(lines))
    assert answer.status in {200, 413}
    assert all(isinstance(decode(record), UserEvent) for record in api.log.records(TOPIC))


@pytest.mark.parametrize(
    "item", [b"1,", b"{},", b'"",', b"[],", b"\n", b"1\n", b"\r\n ", b"[", b'{"a":', b'"', b"\\", b"\xc3"]
)
@pytest.mark.parametrize("content_type", [b"application/json", b"application/x-ndjson"])
async def test_repetitive_batch_gets_no_5xx(api: Api, item: bytes, content_type: bytes) -> None:
    """As many repetitions as fit into the limit."""
    body = b"[" + item * ((MAX_BATCH_BYTES - 2) // len(item))
    for whole in (body, body + b"]", body[1:]):
        answer = await call(api.app, "POST", "/events/batch", headers=[(b"content-type", content_type)], body=whole)
        assert answer.status in {200, 400, 413}


@shared
@given(encoding=st.sampled_from([b"gzip", b"zstd"]), place=st.integers(0, 200), put=st.binary(max_size=4))
async def test_any_compressed_body_gets_no_5xx(api: Api, encoding: bytes, place: int, put: bytes) -> None:
    """With bytes replaced or inserted, or with arbitrary bytes."""
    whole = b"[%b]" % b",".join([b'{"userId":"u","eventType":"LOGIN"}'] * 3)
    packed = gzip.compress(whole) if encoding == b"gzip" else zstd(whole)
    headers = [*JSON, (b"content-encoding", encoding)]
    for body in (packed[:place] + put + packed[place:], packed[:place] + put + packed[place + len(put) :], put):
        answer = await call(api.app, "POST", "/events/batch", headers=headers, body=body)
        assert answer.status in {200, 400, 413}
