"""The whole service over adapters in memory: no request causes a 5xx, and every response is valid."""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from urllib.parse import quote_from_bytes

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.records import codec
from domain.event import UserEvent
from tests.fuzz.answers import Answer
from tests.fuzz.connection import exchange
from tests.fuzz.damage import damaged
from tests.fuzz.test_headers import fields
from tests.fuzz.test_queries import queries
from tests.support import strategies
from tests.support.api import TOPIC, Api
from tests.support.bombs import zstd
from tests.support.events import decode, delivered
from tests.support.json_bytes import records

_NOT_SUPPORTED = {501, 505}
"""All that an answer may say of the server's side, each of something that no version of it will do."""
_FRAGMENTS = [
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\0",
    b"[" * 3_000,
    b'{"a":' * 500,
    b"1e999999999",
    b'"',
    b"\\",
    b",",
    b"}",
]
_PACK: Mapping[bytes, Callable[[bytes], bytes]] = {b"gzip": gzip.compress, b"deflate": zlib.compress, b"zstd": zstd}

methods = st.sampled_from(
    [b"GET", b"HEAD", b"POST", b"OPTIONS", b"PUT", b"DELETE", b"TRACE", b"PATCH", b"QUERY", b"get"]
)
paths = st.sampled_from(
    [
        *[
            b"/events/generate",
            b"/events/batch",
            b"/events/processed",
            b"/health",
            b"/health/ready",
            b"/docs",
            b"/",
            b"*",
        ],
        *[
            b"/docs/openapi.json",
            b"//events//processed",
            b"/events/",
            b"/events%2Fbatch",
            b"/events/processed/",
            b"/metrics",
        ],
        *[
            b"http://api/events/processed",
            b"/events/00000000-0000-0000-0000-000000000000",
            b"/events/%00",
            b"/events/%ff",
        ],
    ]
) | st.binary(max_size=12).map(lambda raw: b"/events/" + quote_from_bytes(raw).encode())
valid = strategies.events.map(codec.encode)
events = valid | valid | records() | damaged(records() | valid, _FRAGMENTS, most=1)
arrays = st.lists(events, max_size=4).map(lambda items: b"[%b]" % b",".join(items))
lines = st.lists(events, max_size=4).map(b"\n".join)


def _target(query: bytes) -> bytes:
    return b"/events/processed?" + quote_from_bytes(query, safe="/?&=%+").encode()


# Method, target, media type and body; the last of these kinds is anything.
kinds = (
    st.tuples(st.just(b"POST"), st.just(b"/events/generate"), st.just(b"application/json"), events)
    | st.tuples(st.just(b"POST"), st.just(b"/events/batch"), st.just(b"application/json"), arrays)
    | st.tuples(st.just(b"POST"), st.just(b"/events/batch"), st.just(b"application/x-ndjson"), lines)
    | st.tuples(st.just(b"GET"), queries.map(_target), st.just(b"text/plain"), st.just(b""))
    | st.tuples(
        methods, paths, st.sampled_from([b"application/json", b"text/plain"]), events | arrays | st.binary(max_size=20)
    )
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Make a request whose parts are right, wrong or on the edge between, each by itself."""
    method, target, media_type, body = draw(kinds)
    head = [(b"host", b"api"), (b"content-type", media_type)]
    if coding := draw(st.sampled_from([b"", b"", b"", *_PACK])):
        head.append((b"content-encoding", coding))
        body = _PACK[coding](body)
    head.append((b"content-length", b"%d" % len(body)))
    head += draw(st.lists(fields, max_size=1))
    return b"%b %b HTTP/1.1\r\n" % (method, target) + b"".join(b"%b: %b\r\n" % field for field in head) + b"\r\n" + body


@given(sent=st.lists(requests(), min_size=1, max_size=3))
async def test_no_request_makes_a_5xx(api: Api, sent: list[bytes]) -> None:
    """On one connection; the consumer can read, and lists can show, all that is published."""
    api.log.topics.clear()
    api.store.rows.clear()
    with capture_logs() as lines:
        came = await exchange(api.app, [b"".join(sent)])
        published = [decode(record) for record in api.log.records(TOPIC)]
        stored = [event for event in published if isinstance(event, UserEvent)]
        assert len(stored) == len(published)
        await api.store.add(delivered(*stored))
        for accept in ("*/*", "application/x-ndjson", "text/csv") if stored else ():
            response = await api.client.get("/events/processed", headers={"accept": accept})
            assert response.status_code == 200
    assert not [line for line in lines if line["log_level"] in {"warning", "error"}]
    for answer in came.answers:
        check(answer)


def check(answer: Answer) -> None:
    """Check what is true of every answer."""
    assert answer.status < 500 or answer.status in _NOT_SUPPORTED
    assert len(answer.fields[b"x-request-id"]) <= 128
    if answer.status >= 400 and answer.body:
        assert answer.fields[b"content-type"] == b"application/problem+json"
        assert json.loads(answer.body)["status"] == answer.status
