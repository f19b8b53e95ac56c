"""The circuit breaker: when dead letters are too many, and after which record exactly it trips."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.consume.dlq_limits import CircuitBreaker, DlqLimits, Trip

LIMITS = DlqLimits(max_consecutive=5, max_ratio=0.5, ratio_min_records=20, ratio_window=10)
RATIO_ONLY = DlqLimits(max_consecutive=1_000, max_ratio=0.5, ratio_min_records=20, ratio_window=10)
DEAD, GOOD = True, False


def after(limits: DlqLimits, *batches: tuple[float, Sequence[bool]]) -> CircuitBreaker | Trip:
    """Go through batches, each at its time, up to the trip if there is one."""
    breaker = CircuitBreaker(limits)
    for now, are_dead in batches:
        result = breaker.after(are_dead, now)
        if isinstance(result, Trip):
            return result
        breaker = result
    return breaker


def test_dead_letters_in_a_row_trip_at_the_limit() -> None:
    """Exactly: what comes behind it in the batch is left alone."""
    assert after(LIMITS, (0, [DEAD] * 4)) == after(LIMITS, (0, [DEAD] * 2), (0, [DEAD] * 2))
    assert after(LIMITS, (0, [GOOD, *[DEAD] * 9])) == Trip(6, "5 dead letters in a row")


def test_row_goes_on_across_batches() -> None:
    """However far apart they are."""
    assert after(LIMITS, (0, [DEAD] * 3), (1_000, [DEAD]), (9_000, [DEAD, DEAD])) == Trip(1, "5 dead letters in a row")


@pytest.mark.parametrize("good_at", range(3))
def test_good_record_ends_the_row(good_at: int) -> None:
    """Wherever it is, only those behind it are in a row with what comes next."""
    middle = [place == good_at for place in range(3)]
    breaker = after(LIMITS, (0, [DEAD] * 2), (0, [not is_good for is_good in middle]))
    assert isinstance(breaker, CircuitBreaker)
    assert breaker.consecutive == 2 - good_at


def test_ratio_trips_once_the_window_holds_enough_records() -> None:
    """On the very record with which it is reached."""
    half = [GOOD, DEAD] * 10
    assert after(RATIO_ONLY, (0, half)) == Trip(20, "10 dead letters among 20 records within 10 s")
    assert isinstance(after(RATIO_ONLY, (0, half[:19])), CircuitBreaker)
    assert isinstance(after(RATIO_ONLY, (0, half[:18]), (0, [GOOD, GOOD, DEAD])), CircuitBreaker)


def test_good_record_never_trips() -> None:
    """Though with it the window is large enough: the trouble may be over."""
    few = [*[DEAD] * 15, *[GOOD] * 4]
    assert isinstance(after(RATIO_ONLY, (0, few), (0, [GOOD])), CircuitBreaker)
    assert after(RATIO_ONLY, (0, few), (0, [GOOD, DEAD])) == Trip(2, "16 dead letters among 21 records within 10 s")


def test_ratio_counts_the_batches_of_a_window_together() -> None:
    """However small they are."""
    batches = [(second, [GOOD, DEAD]) for second in range(9)]
    assert isinstance(after(RATIO_ONLY, *batches), CircuitBreaker)
    assert after(RATIO_ONLY, *batches, (9, [GOOD, DEAD])) == Trip(2, "10 dead letters among 20 records within 10 s")


def test_seconds_fall_out_of_the_window() -> None:
    """Old good records hide no dead letters, and old dead letters do not count."""
    assert isinstance(after(RATIO_ONLY, (0, [GOOD, DEAD] * 9), (10, [GOOD, DEAD])), CircuitBreaker)
    flood, half = (0.5, [GOOD] * 1_000), [GOOD, DEAD] * 10
    assert isinstance(after(RATIO_ONLY, flood, (9.9, half)), CircuitBreaker)
    assert after(RATIO_ONLY, flood, (10.0, half)) == Trip(20, "10 dead letters among 20 records within 10 s")


batches = st.lists(
    st.tuples(st.floats(0, 4), st.lists(st.booleans(), max_size=12) | st.lists(st.just(DEAD), max_size=4)), max_size=30
)


@given(batches, st.integers(1, 8), st.sampled_from([0.3, 0.5, 1.0]), st.integers(1, 25))
def test_breaker_trips_like_one_that_remembers_every_record(
    steps: list[tuple[float, list[bool]]], max_consecutive: int, max_ratio: float, ratio_min_records: int
) -> None:
    """It keeps a count a second instead."""
    limits = DlqLimits(max_consecutive, max_ratio, ratio_min_records, ratio_window=5)
    breaker: CircuitBreaker | Trip = CircuitBreaker(limits)
    now, consecutive, seen = 100.0, 0, list[tuple[int, bool]]()
    for pause, are_dead in steps:
        now += pause
        expected = None
        for count, is_dead in enumerate(are_dead, 1):
            consecutive = consecutive + 1 if is_dead else 0
            seen.append((int(now), is_dead))
            window = [was_dead for second, was_dead in seen if second > now - limits.ratio_window]
            is_ratio = len(window) >= ratio_min_records and sum(window) >= max_ratio * len(window)
            if is_dead and (consecutive >= max_consecutive or is_ratio):
                expected = count
                break
        assert isinstance(breaker, CircuitBreaker)
        breaker = breaker.after(are_dead, now)
        assert (breaker.records if isinstance(breaker, Trip) else None) == expected
        if isinstance(breaker, Trip):
            return


def test_value_that_is_asked_twice_answers_the_same() -> None:
    """A batch whose dead letters could not be sent is counted again, and again."""
    breaker = CircuitBreaker(LIMITS)
    for _ in range(3):
        assert isinstance(breaker.after([DEAD] * 4, 0), CircuitBreaker)
    assert breaker == CircuitBreaker(LIMITS)


def test_no_records_change_nothing() -> None:
    """Whatever was before them."""
    before = after(LIMITS, (0, [DEAD] * 4))
    assert isinstance(before, CircuitBreaker)
    assert before.after([], 0) == before
