"""How many records of a partition are tried at once: fewer after a time-out, more again after quick successes."""

import logging
from contextlib import suppress

import pytest

from application.consume import pace
from application.consume.pace import BatchSize
from domain.errors import Declined, Unavailable

RECORDS = 100
DECLINED = Declined("57014")


class Tries:
    """Tries at the first of many records, by a clock that only they move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = 1_000.0
        self._size = BatchSize(0, RECORDS)
        monkeypatch.setattr(pace, "monotonic", lambda: self._now)

    @property
    def bound(self) -> int:
        """How many records would be tried at once."""
        return self._size.records

    def succeed(self, seconds: float, *, records: int | None = None) -> None:
        """Store records, as many as are tried at once unless there are fewer, in that time."""
        with self._size.measured(self.bound if records is None else records):
            self._now += seconds

    def fail(self, seconds: float, error: Exception = DECLINED, *, records: int | None = None) -> None:
        """Fail on records, as many as are tried at once unless there are fewer, after that time."""
        with suppress(type(error)), self._size.measured(self.bound if records is None else records):
            self._now += seconds
            raise error


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> Tries:
    """Nothing was tried yet."""
    return Tries(monkeypatch)


def test_batch_has_no_bound_at_first(tries: Tries) -> None:
    """Nor does a success give it one."""
    assert tries.bound == RECORDS
    tries.succeed(3600)
    assert tries.bound == RECORDS


def test_declined_batch_shrinks_to_a_quarter_each_time(tries: Tries, caplog: pytest.LogCaptureFixture) -> None:
    """Down to one record, which is logged as long as it changes anything."""
    bounds = []
    for _ in range(5):
        tries.fail(60)
        bounds.append(tries.bound)
    assert bounds == [25, 6, 1, 1, 1]
    assert caplog.messages == ["trying smaller batches"] * 3


def test_small_batch_shrinks_from_its_own_size(tries: Tries) -> None:
    """Though more would have been allowed: that many were too many."""
    tries.fail(60)
    tries.fail(60, records=8)
    assert tries.bound == 2


@pytest.mark.parametrize("error", [Unavailable("down"), ZeroDivisionError()], ids=repr)
def test_other_failures_do_not_shrink_the_batch(tries: Tries, error: Exception) -> None:
    """An outage says nothing of sizes, nor does it let a bound grow."""
    tries.fail(60, error)
    assert tries.bound == RECORDS
    tries.fail(60)
    tries.fail(0, error)
    assert tries.bound == 25


def test_failure_is_raised_whatever_is_learned_from_it() -> None:
    """The batch has to be tried again."""
    with pytest.raises(Declined), BatchSize(0, RECORDS).measured(1):
        raise DECLINED


def test_quick_successes_double_the_bound_until_it_ends(tries: Tries, caplog: pytest.LogCaptureFixture) -> None:
    """Where it would exceed what has failed, the usual size is tried again."""
    caplog.set_level(logging.INFO)
    tries.fail(60)
    bounds = []
    for _ in range(3):
        tries.succeed(0.5)
        bounds.append(tries.bound)
    assert bounds == [50, 100, 100]
    tries.succeed(0.5)
    assert caplog.messages == ["trying smaller batches", "batches have their usual size again"]


@pytest.mark.parametrize(("failed", "succeeded", "bound"), [(60, 19.9, 50), (60, 20.1, 25), (0.3, 0.9, 50)])
def test_bound_grows_only_by_quick_successes(tries: Tries, failed: float, succeeded: float, bound: int) -> None:
    """In a third of the time that the larger batch took to fail; within a second at any rate."""
    tries.fail(failed)
    tries.succeed(succeeded)
    assert tries.bound == bound


def test_longest_failure_decides_what_is_quick(tries: Tries) -> None:
    """Smaller batches that fail sooner do not make it harder to grow again."""
    tries.fail(60)
    tries.fail(6)
    tries.succeed(19)
    assert tries.bound == 12


def test_bound_that_failed_again_may_still_end(tries: Tries) -> None:
    """The largest batch that failed is what the growth is measured by."""
    tries.fail(60)
    tries.fail(60)
    bounds = []
    for _ in range(5):
        tries.succeed(0)
        bounds.append(tries.bound)
    assert bounds == [12, 24, 48, 96, 100]
