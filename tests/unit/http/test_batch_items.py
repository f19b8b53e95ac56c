"""Batches are split by the decoder in parts, or by the splitter if the decoder rejects one; the items are the same."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests import batch_items
from entrypoints.http.requests.batch_items import BatchSplitter
from entrypoints.http.requests.json_splitter import MalformedJson

MANY = BatchSplitter(1_000)
texts = st.text(st.sampled_from('u"\\[]{},: \n'), max_size=6) | st.just('{"u":1},{"u":2}')
events = st.fixed_dictionaries({"u": texts}, optional={"p": st.lists(st.fixed_dictionaries({"u": texts}), max_size=3)})
items = st.lists(events | texts | st.lists(events, max_size=2), max_size=30)
at_once = st.integers(8, 200)


def array_of(body: bytes, splitter: BatchSplitter = MANY) -> list[bytes]:
    """Split an array, without the pauses."""
    return [item for item in splitter.array(body) if item is not None]


@given(written=items, most=at_once, indent=st.sampled_from([None, 1]))
def test_array_splits_in_parts_of_any_size(written: list[object], most: int, indent: int | None) -> None:
    """Text that looks like the beginning of an item may occur within an item or a string."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_items, "_AT_ONCE_BYTES", most)
        found = array_of(json.dumps(written, indent=indent, ensure_ascii=False).encode())
    assert [json.loads(item) for item in found] == written


@given(written=items, most=at_once, data=st.data())
def test_malformed_array_is_rejected_in_parts_as_whole(written: list[object], most: int, data: st.DataObject) -> None:
    """Truncated at any byte, or followed by another array."""
    body = json.dumps(written).encode()
    for damaged in (body[: data.draw(st.integers(0, len(body) - 1))], body + b"]", body + b",1"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batch_items, "_AT_ONCE_BYTES", most)
            with pytest.raises(MalformedJson):
                array_of(damaged)


@pytest.mark.parametrize(
    "bad", [rb'{"u":"\ud83d"}', b'{"u":' + b"[" * 2_000 + b"]" * 2_000 + b"}", b'{"u":"\x00\xff"}']
)
@pytest.mark.parametrize("place", [0, 50, 99])
def test_items_that_decoder_rejects_are_split_too(monkeypatch: pytest.MonkeyPatch, bad: bytes, place: int) -> None:
    """In the first part or a later one."""
    monkeypatch.setattr(batch_items, "_AT_ONCE_BYTES", 200)
    written = [b'{"u":%d}' % number for number in range(100)]
    written[place] = bad
    assert array_of(b"[ %b ]" % b" ,\n".join(written)) == written


@pytest.mark.parametrize("most", [8, 50, 1_000_000])
def test_items_are_counted_over_all_parts(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Wherever the extra item is."""
    monkeypatch.setattr(batch_items, "_AT_ONCE_BYTES", most)
    splitter = BatchSplitter(10)
    body = b"[%b]" % b",".join([b'{"u":1}'] * 10)
    assert len(array_of(body, splitter)) == 10
    for more in (b',{"u":1}]', b',"\\ud83d"]', b",1,2]"):
        with pytest.raises(HttpProblem, match="more than 10 events"):
            array_of(body[:-1] + more, splitter)


@given(st.lists(st.sampled_from([b"1", b"\n", b"\r\n", b" ", b"\t", b'{"a":"b"}', b"\xff", b"\0"])), st.integers(1, 5))
def test_lines_are_split_at_any_window(parts: list[bytes], window: int) -> None:
    """Blank lines are ignored."""
    body = b"".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_items, "WINDOW_BYTES", window)
        found = [line for line in MANY.lines(body) if line is not None]
    assert found == [line.strip(b" \t\r") for line in body.split(b"\n") if line.strip(b" \t\r")]
