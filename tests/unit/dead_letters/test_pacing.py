"""How replays keep to their rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.dead_letters.replays.pacing import CHUNK_LETTERS, Pacing


def test_unlimited_replay_never_waits() -> None:
    """Its chunks are as large as chunks get."""
    pacing = Pacing(None, lambda: 0.0)
    pacing.count(CHUNK_LETTERS)
    assert (pacing.chunk, pacing.wait) == (CHUNK_LETTERS, 0.0)


@pytest.mark.parametrize(("rate", "chunk"), [(0.1, 1), (4, 1), (50, 10), (1_000_000, CHUNK_LETTERS)])
def test_chunk_is_a_fifth_of_a_seconds_letters(rate: float, chunk: int) -> None:
    """But at least one, and never more than without a rate."""
    assert Pacing(rate).chunk == chunk


@given(
    rate=st.floats(0.1, 10_000),
    delays=st.lists(st.floats(0, 10), min_size=2, max_size=50),
    shares=st.lists(st.floats(0, 1), min_size=50, max_size=50),
)
def test_no_stretch_of_time_has_more_than_its_rate_grants(
    rate: float, delays: list[float], shares: list[float]
) -> None:
    """And one chunk, whenever letters were there and however late a worker woke up."""
    now = 0.0
    pacing = Pacing(rate, lambda: now)
    sent: list[tuple[float, int]] = []
    for delay, share in zip(delays, shares, strict=False):
        now += pacing.wait + delay
        letters = max(1, int(pacing.chunk * share))
        pacing.count(letters)
        sent.append((now, letters))
    for first, (began, _) in enumerate(sent):
        for last in range(first, len(sent)):
            letters = sum(count for _, count in sent[first : last + 1])
            assert letters <= (sent[last][0] - began) * rate + pacing.chunk + 1e-3
