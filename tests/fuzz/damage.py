"""Small damage to bytes, as a bad client, a bad proxy or a bad disk does it."""

from collections.abc import Sequence
from operator import itemgetter

from hypothesis import strategies as st

_Edit = tuple[int, int, bytes]
"""Where, how many bytes go, and what comes in their place."""


def damaged(whole: st.SearchStrategy[bytes], fragments: Sequence[bytes], most: int = 3) -> st.SearchStrategy[bytes]:
    """Cut bytes out of `whole`, and put any of `fragments` or raw bytes in, at up to `most` places."""
    put = st.just(b"") | st.sampled_from(fragments) | st.binary(max_size=3)
    edits = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 4), put), max_size=most)
    return st.builds(_edit, whole, edits)


def _edit(whole: bytes, edits: list[_Edit]) -> bytes:
    for place, length, put in sorted(edits, key=itemgetter(0)):
        start = place % (len(whole) + 1)
        whole = whole[:start] + put + whole[start + length :]
    return whole
