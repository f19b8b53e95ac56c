"""Batches: the joined items are the batch, and an invalid item does not affect its neighbours."""

import json
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from domain.event import UserEvent
from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests.batch_items import BatchSplitter
from entrypoints.http.requests.json_splitter import MalformedJson
from tests.fuzz.damage import damaged
from tests.fuzz.test_event_bodies import parsed
from tests.support.api import TOPIC, Api
from tests.support.events import decode
from tests.support.json_bytes import skipped_values

_MAX_ITEMS = 4
_splitter = BatchSplitter(_MAX_ITEMS)
_FRAGMENTS = [
    b",",
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b"\\",
    b"\n",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"[" * 3_000,
    b":",
    b"-",
]

blanks = st.sampled_from([b"", b" ", b"\r\n\t "])
good = st.builds(
    lambda user, number: json.dumps({"userId": user, "eventType": "LOGIN", "payload": {"n": number}}).encode(),
    st.sampled_from(["a", "ü", '"],[', "\u2028"]),
    st.integers(),
)
hopeless = st.sampled_from(
    [
        *[b'{"userId":"\\ud83d","eventType":"LOGIN"}', b'{"userId":"a","eventType":"LOGIN","payload":{"a":"\\ude00"}}'],
        *[b'{"userId":"\xed\xa0\x80","eventType":"LOGIN"}', b'{"userId":"a","eventType":"LOGIN","payload":{"\xff":1}}'],
        *[b'{"userId":"\\u0000","eventType":"LOGIN"}', b'{"userId":"a","eventType":"LOGIN","payload":{"a":"\\u0000"}}'],
        *[
            b'{"a":' + b"[" * 3_000 + b"]" * 3_000 + b"}",
            b"[" * 1_500 + b"]" * 1_500,
            b"1e999999",
            b"null",
            b"[]",
            b'""',
        ],
    ]
)
items = st.lists(good | hopeless | skipped_values, max_size=_MAX_ITEMS)


@given(items=items, blank=blanks)
def test_array_splits_into_its_items(items: list[bytes], blank: bytes) -> None:
    """Byte for byte, with any content."""
    body = blank + b"[" + b",".join(blank + item + blank for item in items) + b"]" + blank
    assert taken_apart(_splitter.array(body)) == items


@given(items=items, ending=st.sampled_from([b"\n", b"\r\n", b"\n\n \n"]))
def test_lines_split_into_their_items(items: list[bytes], ending: bytes) -> None:
    """The last one with or without an end."""
    one_line = [item.replace(b"\r\n", b" ") for item in items]
    assert taken_apart(_splitter.lines(ending.join(one_line))) == one_line
    assert taken_apart(_splitter.lines(ending.join([*one_line, b""]))) == one_line


@given(body=st.binary() | damaged(items.map(lambda items: b"[%b]" % b",".join(items)), _FRAGMENTS, most=2))
def test_any_body_splits_or_is_rejected(body: bytes) -> None:
    """Into the items that another parser finds, if it finds any."""
    for split in (_splitter.array, _splitter.lines):
        try:
            found = taken_apart(split(body))
        except (MalformedJson, HttpProblem):
            continue
        assert len(found) <= _MAX_ITEMS
        if split == _splitter.array and (expected := parsed(body)) is not None:
            assert [parsed(item) for item in found] == expected


@given(items=st.lists(good | hopeless, max_size=8), is_array=st.booleans())
async def test_invalid_item_does_not_affect_neighbours(api: Api, items: list[bytes], *, is_array: bool) -> None:
    """They are published in order, and the consumer can read them."""
    api.log.topics.clear()
    body = b"[%b]" % b",".join(items) if is_array else b"\n".join(items)
    response = await api.post_batch(body, "application/json" if is_array else "application/x-ndjson")
    assert response.status_code == 200
    is_good = [b'"n"' in item for item in items]
    assert [result["status"] == "published" for result in response.json()["results"]] == is_good
    records = api.log.records(TOPIC)
    assert len(records) == sum(is_good)
    assert all(isinstance(decode(record), UserEvent) for record in records)


def taken_apart(items: Iterator[bytes | None]) -> list[bytes]:
    """Collect the items, without the pauses between them and the white space that a long one may be left with."""
    return [item.strip(b" \t\r\n") for item in items if item is not None]
