"""Header fields that the service reads: any bytes are accepted, ignored or rejected, never passed on unchecked."""

import re
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from entrypoints.http.headers import by_name
from entrypoints.http.middleware import request_id_of
from entrypoints.http.requests.accept import negotiate
from entrypoints.http.routes.listing import MEDIA_TYPES
from tests.fuzz.damage import damaged
from tests.support.api import TOPIC, Api, call

_FRAGMENTS = [b",", b";", b"q", b"=", b" ", b"\t", b'"', b"\\", b"/", b"*", b"-", b"0" * 32, b"\0", b"\xff", b"\xa0"]
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_REQUEST_ID = re.compile(r"[!-~]{1,128}")
EVENT = b'{"userId":"u","eventType":"LOGIN"}'

weights = st.sampled_from(
    ["", ";q=0", ";q=1", ";q=.5", "; q=0.001", " ;Q=0.9", ";q=1.000", ";q=2", ";level=1;q=0.4", ";q="]
)
ranges = st.tuples(
    st.sampled_from([*MEDIA_TYPES, "*/*", "text/*", "application/*", "image/png", "*/json", "application/ndjson"]),
    weights,
).map("".join)
traceparents = damaged(st.just(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), _FRAGMENTS, most=1)
content_types = damaged(
    st.sampled_from(
        [b"application/json", b"Application/JSON; charset=UTF-8", b'application/json;charset="utf-8"; a=b']
    ),
    _FRAGMENTS,
    most=1,
)
accepts = st.lists(ranges, max_size=3).map(lambda parts: ",".join(parts).encode())
values = {
    b"content-type": content_types,
    b"content-encoding": damaged(st.sampled_from([b"gzip", b"identity", b"gzip, zstd", b"GZIP"]), _FRAGMENTS, most=1),
    b"traceparent": traceparents,
    b"x-request-id": damaged(st.binary(max_size=140), _FRAGMENTS, most=1),
    b"host": damaged(st.sampled_from([b"api", b"[::1]:3000", b"127.0.0.1:80"]), _FRAGMENTS, most=1),
    b"accept": damaged(accepts, _FRAGMENTS, most=1),
    b"origin": st.sampled_from([b"null", b"https://example.org"]) | st.binary(max_size=8),
    b"x-forwarded-for": st.binary(max_size=8),
}
fields = st.sampled_from([*values]).flatmap(lambda name: st.tuples(st.just(name), values[name]))


@given(parts=st.lists(ranges, max_size=4), random=st.randoms(use_true_random=False))
def test_choice_ignores_order_case_and_white_space(parts: list[str], random: Random) -> None:
    """As RFC 9110 has it for lists and media types."""
    chosen = negotiate(",".join(parts), MEDIA_TYPES)
    assert chosen is None or chosen in MEDIA_TYPES
    random.shuffle(parts)
    assert negotiate(" ,\t".join(parts).upper(), MEDIA_TYPES) == chosen


@given(
    accept=st.text(st.characters(max_codepoint=255))
    | damaged(accepts, _FRAGMENTS).map(lambda raw: raw.decode("latin-1"))
)
def test_any_accept_selects_an_offer_or_none(accept: str) -> None:
    """Malformed ranges do not count."""
    assert negotiate(accept, MEDIA_TYPES) in {None, *MEDIA_TYPES}


@given(headers=st.lists(fields, max_size=4))
async def test_any_fields_are_accepted_ignored_or_rejected(api: Api, headers: list[tuple[bytes, bytes]]) -> None:
    """A record has a valid trace of its request; a request id fits into a log line."""
    api.log.topics.clear()
    answer = await call(api.app, "POST", "/events/generate", headers=headers, body=EVENT)
    assert answer.status in {201, 400, 415}
    given = by_name(headers)
    trace = given.get(b"traceparent", b"")
    expected = [("traceparent", trace)] if _TRACEPARENT.fullmatch(trace) else []
    for record in api.log.records(TOPIC):
        assert [field for field in record.headers if field[0] != "content-type"] == expected
    request_id = request_id_of(given)
    assert _REQUEST_ID.fullmatch(request_id)
    assert request_id == given.get(b"x-request-id", b"").decode("latin-1") or len(request_id) == 32
