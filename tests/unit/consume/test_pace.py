"""How long pauses last."""

import pytest

from application.consume.pace import Backoff


@pytest.mark.parametrize(("failures", "most"), [(1, 0.4), (2, 0.8), (3, 1.6), (6, 12.8), (7, 15), (1_000_000, 15)])
def test_backoff_is_jittered_below_a_doubling_bound(failures: int, most: float) -> None:
    """Full jitter: any pause up to the bound."""
    pauses = [Backoff().after(failures) for _ in range(200)]
    assert all(0 <= pause <= most for pause in pauses)
    assert min(pauses) < most / 4
    assert max(pauses) > most * 3 / 4


def test_backoff_of_nothing_does_not_pause() -> None:
    """For tests."""
    assert Backoff(0, 0).after(5) == 0
