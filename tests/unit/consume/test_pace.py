"""How long pauses last, and what follows from the size of a batch."""

import pytest

from application.consume.pace import Backoff, Pace


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


@pytest.mark.parametrize(("batch_size", "small_poll"), [(1, 1), (9, 1), (5_000, 500)])
def test_small_poll_is_a_tenth_of_a_batch(batch_size: int, small_poll: int) -> None:
    """One record at least."""
    assert Pace(batch_size).small_poll == small_poll


def test_three_batches_of_a_partition_may_be_decoded() -> None:
    """One in commit, one in the store, one read ahead: a poison pill is searched that far."""
    assert Pace(batch_size=7).records_in_flight == 21
