"""Fields that the decoder cannot read are reported, and other events of the batch are published."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.publish_event import Draft
from domain.event import UserEvent
from domain.validation import Invalid
from entrypoints.http.requests.event_body import parse
from entrypoints.http.requests.json_splitter import MalformedJson
from tests.support.api import TOPIC, Api, an_api
from tests.support.events import decode
from tests.support.json_bytes import records

GOOD = b'{"userId":"user-1","eventType":"LOGIN"}'
DEEP = b'{"a":' * 3_000 + b"1" + b"}" * 3_000
_SURROGATE, _CONTROL, _NUL, _UTF8, _NESTED = "lone surrogate", "control character", "NUL", "UTF-8", "nested"
FLAWED = [
    *((b'{"a":"%b"}' % text, "payload", _SURROGATE) for text in (rb"\ud83d", rb"x\ud83d y", rb"\ude00", rb"\ud83d\n")),
    *((b'{"a":"%b"}' % text, "payload", _SURROGATE) for text in (rb"\ud83d\ud83d\ude00", rb"\\\ud83d")),
    (rb'{"a":"\uD83D\uDE00\uDE00"}', "payload", _SURROGATE),
    (rb'{"\ud83d":1}', "payload", _SURROGATE),
    (b'{"a":"\xff"}', "payload", _UTF8),
    (b'{"a":"\xed\xa0\xbd"}', "payload", _UTF8),
    (rb'{"a":"\u0000"}', "payload", _NUL),
    *((b'{"a":"x%by"}' % bytes([byte]), "payload", _CONTROL) for byte in (0, 9, 10, 13, 31)),
    (DEEP, "payload", _NESTED),
    (b'{"a":' + b"[" * 9_000 + b"]" * 9_000 + b"}", "payload", _NESTED),
    (b'{"a":' + b"[" * 250 + b"]" * 250 + b"}", "payload", _NESTED),
]  # fmt: skip


def event(payload: bytes) -> bytes:
    """Write an event with a payload, between other fields."""
    return b'{"userId":"user-1","payload": %b ,"eventType":"LOGIN"}' % payload


@pytest.mark.parametrize(
    ("payload", "field", "words"), FLAWED, ids=lambda value: value[:40] if isinstance(value, bytes) else value
)
async def test_unreadable_item_is_rejected_alone_with_its_field(
    api: Api, payload: bytes, field: str, words: str
) -> None:
    """The events around it are published."""
    response = await api.post_batch(b"[%b, %b ,%b]" % (GOOD, event(payload), GOOD))
    assert response.status_code == 200, response.text
    first, flawed, last = response.json()["results"]
    assert [first["status"], flawed["status"], last["status"]] == ["published", "rejected", "published"]
    assert [(error["field"], words in error["message"]) for error in flawed["errors"]] == [(field, True)]
    assert len(api.log.records(TOPIC)) == 2


@pytest.mark.parametrize(
    ("payload", "field", "words"), FLAWED, ids=lambda value: value[:40] if isinstance(value, bytes) else value
)
async def test_unreadable_event_gets_422_with_its_field(api: Api, payload: bytes, field: str, words: str) -> None:
    """With the reason."""
    response = await api.post(event(payload))
    assert response.status_code == 422
    assert [(error["field"], words in error["message"]) for error in response.json()["errors"]] == [(field, True)]
    assert api.log.records(TOPIC) == []


@pytest.mark.parametrize(
    ("written", "repeated"), [("0198f3c0-1111-7abc-8def-0123456789ab", True), ("no id", False), (r"\ud83d", False)]
)
async def test_valid_id_of_unreadable_item_is_returned(api: Api, written: str, repeated: bool) -> None:
    """The client identifies the event by it."""
    item = event(rb'{"a":"\ud83d"}')[:-1] + b',"eventId":"%b"}' % written.encode()
    response = await api.post_batch(b"[%b]" % item)
    [result] = response.json()["results"]
    assert result["status"] == "rejected"
    assert result.get("eventId") == (written if repeated else None)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (rb'{"userId":"\ud83d","eventType":"\ude00","timestamp":"\ud800"}', ["userId", "eventType", "timestamp"]),
        (b'{"userId":"\xff","eventType":"LOGIN"}', ["userId"]),
        (b'{"userId":"a\nb","eventType":"LOGIN","eventId":"\0"}', ["userId", "eventId"]),
        (b'{"userId":"u","eventType":"LOGIN","colour":"\xff"}', ["body"]),
        (b'{"userId":"u","eventType":"LOGIN","colour\\ud83d":1}', ["body"]),
        (rb'{"\u0075serId":"\ud83d","eventType":"LOGIN"}', ["userId"]),
    ],
)
async def test_every_unreadable_field_is_reported(api: Api, body: bytes, fields: list[str]) -> None:
    """An unknown field is reported as `body`."""
    response = await api.post(body)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == fields


async def test_unknown_field_too_deep_for_the_decoder_is_reported() -> None:
    """The decoder's limit is the interpreter's: some 1,000 levels on Python 3.11, some 10,000 on 3.13."""
    levels = 20_000
    async with an_api(max_body_bytes=3 * levels) as api:
        response = await api.post(GOOD[:-1] + b',"colour":' + b"[" * levels + b"]" * levels + b"}")
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["body"]


@pytest.mark.parametrize(
    "value", [b"1", b"1e999", b"9" * 4_500, b"true", b"[]", b"[[],[[]]]", b'{"a":1}', b"[" * 200 + b"]" * 200]
)
async def test_wrong_type_is_reported_with_other_problems(api: Api, value: bytes) -> None:
    """Together with the other problems, without parsing the value."""
    written = b'{"userId":%b,"eventType":%b,"eventId":%b,"timestamp":%b,"payload":7}' % ((value,) * 4)
    response = await api.post(written)
    assert response.status_code == 422
    fields = [error["field"] for error in response.json()["errors"]]
    assert fields == ["eventId", "userId", "eventType", "timestamp", "payload"]


@pytest.mark.parametrize(
    "text", [rb"\\ud83d", rb"\\\\ude00", rb"\ud83d\ude00", rb"\\\ud83d\ude00", rb"\\u0000", rb"\u001f"]
)
async def test_text_that_only_looks_unreadable_is_published(api: Api, text: bytes) -> None:
    """Escaped backslashes do not begin escapes. The id in another spelling is parsed field by field, too."""
    payload = b'{"a":"%b"}' % text
    response = await api.post(event(payload)[:-1] + b',"eventId":"0198f3c0-11117abc-8def-0123456789ab"}')
    assert response.status_code == 201, response.text
    [record] = api.log.records(TOPIC)
    read = decode(record)
    assert isinstance(read, UserEvent)
    assert read.payload == payload


@pytest.mark.parametrize(
    "body", [GOOD[:-1], GOOD[:-2], rb'{"userId":"\ud83d', rb'{"userId":"\ud83d","payload":{"a":"\ud8', DEEP[:-1]]
)
async def test_truncated_body_is_reported_as_truncated(api: Api, body: bytes) -> None:
    """With a 400, because anything could be missing."""
    response = await api.post(body)
    assert response.status_code == 400
    assert "truncated" in response.json()["detail"]


async def test_no_other_body_is_reported_as_truncated(api: Api) -> None:
    """The decoder reports lone surrogates near the end, and empty bodies, as truncated."""
    for body in (rb'{"userId":"\ud83d"}', rb'{"userId":"\ud83d","eventType":', b"", b" ", GOOD + b"}"):
        response = await api.post(body)
        assert ("truncated" in response.text) == (body == rb'{"userId":"\ud83d","eventType":')


def is_readable(body: bytes) -> bool:
    """Decode completely."""
    try:
        # It takes no number that is out of its range, which is nobody's concern here.
        json.loads(body.decode(), parse_int=str, parse_float=str, parse_constant=pytest.fail)
        msgspec.json.decode(body, type=msgspec.Raw)
    except (ValueError, msgspec.DecodeError, RecursionError, pytest.fail.Exception):
        return False
    return True


@given(body=records())
def test_event_is_rejected_if_decoder_rejects_it(body: bytes) -> None:
    """For any mix of fields, an event that passes field by field also passes the full decoder."""
    try:
        draft = parse(body)
    except (MalformedJson, Invalid):
        assert not is_readable(body)
    else:
        assert isinstance(draft, Draft)
        assert is_readable(body)


@given(
    text=st.lists(
        st.sampled_from([rb"\ud83d", rb"\ude00", rb"\uDBFF", rb"\\", rb"\"", b"u0000", b"x", rb"\n", b"\xc3\xa9"])
    )
)
def test_lone_surrogates_are_found_as_by_decoder(text: list[bytes]) -> None:
    """In any order, between escapes of all kinds."""
    body = event(b'{"a":"%b"}' % b"".join(text))
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError:
        with pytest.raises(Invalid, match="payload: must not hold a lone surrogate"):
            parse(body)
    else:
        assert parse(body).payload
