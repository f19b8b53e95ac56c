"""Arrays and objects are split without parsing their elements."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.http.requests import json_splitter
from entrypoints.http.requests.json_splitter import MalformedJson, split_json

texts = st.text(st.sampled_from('a"\\[]{},:é\n'), max_size=8)
values = st.recursive(
    st.none() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def taken_apart(text: bytes, brackets: bytes = b"[]") -> list[bytes]:
    """Split a text, without the pauses."""
    return [piece for piece in split_json(text, brackets) if piece is not None]


@given(items=st.lists(values), window=st.integers(2, 12), indent=st.sampled_from([None, 1]))
def test_items_of_any_array_are_found(items: list[object], window: int, indent: int | None) -> None:
    """With any window size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_splitter, "WINDOW_BYTES", window)
        found = taken_apart(json.dumps(items, indent=indent, ensure_ascii=False).encode())
    assert [json.loads(piece) for piece in found] == items


@given(members=st.dictionaries(texts, values), window=st.integers(2, 12))
def test_members_of_any_object_are_found(members: dict[str, object], window: int) -> None:
    """Each member with its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_splitter, "WINDOW_BYTES", window)
        found = taken_apart(json.dumps(members).encode(), b"{}")
    assert [json.loads(b"{%b}" % piece) for piece in found] == [{name: value} for name, value in members.items()]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (rb'["\ud83d", 1]', [rb'"\ud83d"', b"1"]),
        (b'["\xff\x00\n",1]', [b'"\xff\x00\n"', b"1"]),
        (b"[" + b"[" * 100_000 + b"]" * 100_000 + b",1]", [b"[" * 100_000 + b"]" * 100_000, b"1"]),
        (b'["' + b"\\\\" * 100_000 + b'",1]', [b'"' + b"\\\\" * 100_000 + b'"', b"1"]),
        (b'["' + b'\\"' * 100_000 + b'",1]', [b'"' + b'\\"' * 100_000 + b'"', b"1"]),
    ],
    ids=["surrogate", "bytes", "deep", "backslashes", "quotes"],
)
def test_text_that_decoder_rejects_is_split(text: bytes, found: list[bytes]) -> None:
    """The parser of the item reports the error."""
    assert taken_apart(text) == found


@given(items=st.lists(values), data=st.data())
def test_truncated_array_is_rejected(items: list[object], data: st.DataObject) -> None:
    """At any byte."""
    text = json.dumps(items).encode()
    with pytest.raises(MalformedJson, match=r"truncated|no JSON array"):
        taken_apart(text[: data.draw(st.integers(0, len(text) - 1))])


@pytest.mark.parametrize(
    "text",
    [b"", b"1", b'"[]"', b"{}", b"[,]", b"[1,]", b"[,1]", b"[1,,2]", b"[1}", b"[1]]", b"[1] 2", b"[[1]", b'["\\"]'],
)
def test_non_array_is_rejected(text: bytes) -> None:
    """The items cannot be separated."""
    with pytest.raises(MalformedJson):
        taken_apart(text)
