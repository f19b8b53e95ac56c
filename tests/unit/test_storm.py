"""The breaker: when dead letters are a storm, and where exactly it stops a partition."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.storm import Breaker, StormLimits, Storms, Trip
from domain.stop import Stop, StopKind
from tests.support.events import a_record

LIMITS = StormLimits(in_a_row=5, share=0.5, of_at_least=20, window=10)
NEVER_IN_A_ROW = StormLimits(in_a_row=1_000, share=0.5, of_at_least=20, window=10)
DEAD, GOOD = True, False


def after(limits: StormLimits, *batches: tuple[float, Sequence[bool]]) -> Breaker | Trip:
    """Go through batches, each at its time, up to the trip if there is one."""
    breaker = Breaker(limits)
    for now, are_dead in batches:
        result = breaker.after(are_dead, now)
        if isinstance(result, Trip):
            return result
        breaker = result
    return breaker


def test_letters_in_a_row_trip_on_the_last_that_is_allowed() -> None:
    """What comes behind it in the batch is left alone."""
    assert after(LIMITS, (0, [DEAD] * 4)) == after(LIMITS, (0, [DEAD] * 2), (0, [DEAD] * 2))
    assert after(LIMITS, (0, [GOOD, *[DEAD] * 9])) == Trip(6, "5 dead letters in a row")


def test_row_goes_on_across_batches_however_far_apart() -> None:
    """A slow storm is one, too."""
    assert after(LIMITS, (0, [DEAD] * 3), (1_000, [DEAD]), (9_000, [DEAD, DEAD])) == Trip(1, "5 dead letters in a row")


@pytest.mark.parametrize("good_at", range(3))
def test_good_record_ends_the_row(good_at: int) -> None:
    """Wherever it stands, only those behind it are in a row with what comes next."""
    middle = [place == good_at for place in range(3)]
    breaker = after(LIMITS, (0, [DEAD] * 2), (0, [not is_good for is_good in middle]))
    assert isinstance(breaker, Breaker)
    assert breaker.row == 2 - good_at


def test_share_of_the_window_trips_once_there_are_enough_records() -> None:
    """On the very record with which it is reached."""
    half = [GOOD, DEAD] * 10
    assert after(NEVER_IN_A_ROW, (0, half)) == Trip(20, "10 dead letters among 20 records within 10 s")
    assert isinstance(after(NEVER_IN_A_ROW, (0, half[:19])), Breaker)
    assert isinstance(after(NEVER_IN_A_ROW, (0, half[:18]), (0, [GOOD, GOOD, DEAD])), Breaker)


def test_good_record_never_trips() -> None:
    """Though with it the window is large enough: the storm may be over."""
    few = [*[DEAD] * 15, *[GOOD] * 4]
    assert isinstance(after(NEVER_IN_A_ROW, (0, few), (0, [GOOD])), Breaker)
    assert after(NEVER_IN_A_ROW, (0, few), (0, [GOOD, DEAD])) == Trip(2, "16 dead letters among 21 records within 10 s")


def test_share_counts_batches_of_the_same_window_together() -> None:
    """However small they are."""
    batches = [(second, [GOOD, DEAD]) for second in range(9)]
    assert isinstance(after(NEVER_IN_A_ROW, *batches), Breaker)
    assert after(NEVER_IN_A_ROW, *batches, (9, [GOOD, DEAD])) == Trip(2, "10 dead letters among 20 records within 10 s")


def test_seconds_fall_out_of_the_window() -> None:
    """Old good records do not hide a storm, and old letters do not make one."""
    assert isinstance(after(NEVER_IN_A_ROW, (0, [GOOD, DEAD] * 9), (10, [GOOD, DEAD])), Breaker)
    flood, storm = (0.5, [GOOD] * 1_000), [GOOD, DEAD] * 10
    assert isinstance(after(NEVER_IN_A_ROW, flood, (9.9, storm)), Breaker)
    assert after(NEVER_IN_A_ROW, flood, (10.0, storm)) == Trip(20, "10 dead letters among 20 records within 10 s")


batches = st.lists(
    st.tuples(st.floats(0, 4), st.lists(st.booleans(), max_size=12) | st.lists(st.just(DEAD), max_size=4)), max_size=30
)


@given(batches, st.integers(1, 8), st.sampled_from([0.3, 0.5, 1.0]), st.integers(1, 25))
def test_breaker_trips_where_one_would_that_remembers_every_record(
    steps: list[tuple[float, list[bool]]], in_a_row: int, share: float, of_at_least: int
) -> None:
    """It keeps a count a second instead."""
    limits = StormLimits(in_a_row, share, of_at_least, window=5)
    breaker: Breaker | Trip = Breaker(limits)
    now, row, seen = 100.0, 0, list[tuple[int, bool]]()
    for pause, are_dead in steps:
        now += pause
        expected = None
        for count, is_dead in enumerate(are_dead, 1):
            row = row + 1 if is_dead else 0
            seen.append((int(now), is_dead))
            window = [was_dead for second, was_dead in seen if second > now - limits.window]
            is_share = len(window) >= of_at_least and sum(window) >= share * len(window)
            if is_dead and (row >= in_a_row or is_share):
                expected = count
                break
        assert isinstance(breaker, Breaker)
        breaker = breaker.after(are_dead, now)
        assert (breaker.records if isinstance(breaker, Trip) else None) == expected
        if isinstance(breaker, Trip):
            return


def judged(storms: Storms, are_dead: Sequence[bool], *, partition: int = 0, offset: int = 0) -> dict[int, Stop]:
    """Have a batch of one partition judged and carried out; tell the stops."""
    records = [a_record(b"", partition=partition, offset=offset + place) for place in range(len(are_dead))]
    ruling = storms.judge(records, are_dead)
    storms.accept(ruling)
    return ruling.stops


@pytest.fixture
def storms() -> Storms:
    """The breakers of a consumer that has just begun."""
    return Storms(LIMITS, lambda: 0.0)


def test_stop_is_at_the_first_record_that_is_left(storms: Storms) -> None:
    """Also where the log has gaps between offsets."""
    records = [a_record(b"", offset=10 * place) for place in range(9)]
    assert storms.judge(records, [DEAD] * 9).stops == {0: Stop(StopKind.STORM, 41, "5 dead letters in a row")}


def test_each_partition_has_a_breaker_of_its_own(storms: Storms) -> None:
    """Records of one stand between those of another in a batch."""
    records = [a_record(b"", partition=place % 2, offset=place // 2) for place in range(18)]
    ruling = storms.judge(records, [place % 2 == 1 or place == 0 for place in range(18)])
    assert ruling.stops == {1: Stop(StopKind.STORM, 5, "5 dead letters in a row")}


def test_what_was_not_carried_out_is_not_remembered(storms: Storms) -> None:
    """A batch whose letters could not be parked is judged again, and again."""
    records = [a_record(b"", offset=place) for place in range(4)]
    for _ in range(3):
        assert storms.judge(records, [DEAD] * 4).stops == {}
    assert judged(storms, [DEAD] * 4) == {}
    assert judged(storms, [DEAD], offset=4).keys() == {0}


def test_breaker_that_tripped_begins_anew(storms: Storms) -> None:
    """A person who resumes the partition grants it the whole limit again."""
    assert judged(storms, [DEAD] * 5).keys() == {0}
    assert judged(storms, [DEAD] * 4, offset=5) == {}
    assert judged(storms, [DEAD], offset=9).keys() == {0}


def test_partition_that_was_given_up_is_forgotten_and_no_other(storms: Storms) -> None:
    """Another consumer counts for itself."""
    for partition in (0, 1):
        judged(storms, [DEAD] * 4, partition=partition)
    storms.forget([0, 7])
    assert judged(storms, [DEAD], partition=0, offset=4) == {}
    assert judged(storms, [DEAD], partition=1, offset=4).keys() == {1}
