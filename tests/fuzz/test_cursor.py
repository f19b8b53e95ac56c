"""Cursors: a client gets back the position that it was given, or an error."""

from hypothesis import given
from hypothesis import strategies as st

from application.listing import Cursor
from entrypoints.http.requests import cursor
from tests.fuzz.damage import damaged
from tests.support.strategies import moments, user_ids

places = st.builds(Cursor, st.none() | moments, st.uuids())
cursors = st.builds(cursor.encode, places, st.none() | user_ids)
_FRAGMENTS = [b"=", b"==", b"-", b"_", b"+", b"/", b"A", b"%3D", b"\n", b"\xc3\xa9"]


@given(place=places, user_id=st.none() | user_ids)
def test_position_survives_encoding(place: Cursor, user_id: str | None) -> None:
    """To the microsecond, and the user with it; nothing in it needs an escape in a URL's query."""
    text = cursor.encode(place, user_id)
    assert cursor.decode(text) == (place, user_id)
    assert len(text) <= 1_752
    assert text.rstrip("=").replace("-", "a").replace("_", "a").isalnum()


@given(
    text=st.text(max_size=40) | damaged(cursors.map(str.encode), _FRAGMENTS).map(lambda text: text.decode("latin-1"))
)
def test_any_text_is_a_position_or_rejected(text: str) -> None:
    """Only with `ValueError`, whose message is for people; a place that is read stays what it is."""
    try:
        read = cursor.decode(text)
    except ValueError as refusal:
        assert str(refusal).startswith("must ")
    else:
        assert cursor.decode(cursor.encode(*read)) == read
