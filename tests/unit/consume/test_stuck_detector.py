"""The rule that distinguishes a consumer that is stuck from one that waits."""

from collections.abc import Callable

import pytest

from application.consume.stuck_detector import Pulse, StuckDetector

LIMIT = 120.0


class Watched:
    """A detector, and a consumer that it looks at once a second."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.turns = self.deeds = 0
        self.detector = StuckDetector(LIMIT, lambda: self.now)

    def look(self, seconds: float, *, lag: int | None, turns: bool = True, does: bool = False) -> list[str]:
        """Let time pass; return what the looks found wrong."""
        found = []
        for _ in range(round(seconds)):
            self.now += 1
            self.turns += turns
            self.deeds += does
            seen = self.detector.look(Pulse(self.turns, self.deeds), lag)
            found += [] if seen is None else [seen]
        return found


@pytest.fixture
def watched() -> Watched:
    """A consumer that has just begun."""
    watched = Watched()
    watched.look(1, lag=0)
    return watched


def test_consumer_that_leaves_records_waiting_is_stuck(watched: Watched) -> None:
    """Not a moment before the limit."""
    assert watched.look(LIMIT - 1, lag=3) == []
    assert watched.look(1, lag=3) == ["nothing was done for 120 s although 3 records wait"]


def test_loop_that_does_not_come_round_is_stuck(watched: Watched) -> None:
    """Also where the lag is unknown, as between two assignments."""
    assert watched.look(LIMIT - 1, lag=None, turns=False) == []
    assert watched.look(1, lag=None, turns=False) == ["the loop has not come round for 120 s"]


@pytest.mark.parametrize("lag", [0, None])
def test_consumer_with_nothing_to_do_is_never_stuck(watched: Watched, lag: int | None) -> None:
    """And records that come then have the whole limit."""
    assert watched.look(10 * LIMIT, lag=lag) == []
    assert watched.look(LIMIT - 1, lag=1) == []
    assert watched.look(1, lag=1) != []


def test_long_work_that_goes_on_is_not_stuck(watched: Watched) -> None:
    """As when a batch is halved again and again within one turn of the loop."""
    assert watched.look(10 * LIMIT, lag=5_000, turns=False, does=True) == []


@pytest.mark.parametrize(
    "goes_on",
    [
        lambda watched: watched.look(1, lag=3, does=True),
        lambda watched: watched.look(1, lag=0),
        lambda watched: watched.look(1, lag=None),
    ],
    ids=["a deed", "nothing waits", "an outage"],
)
def test_limit_counts_from_the_last_sign_of_life(watched: Watched, goes_on: Callable[[Watched], list[str]]) -> None:
    """Several short waits do not add up."""
    for _ in range(3):
        assert watched.look(LIMIT - 1, lag=3) == []
        assert goes_on(watched) == []


def test_consumer_that_works_again_is_not_stuck(watched: Watched) -> None:
    """The caller may look again before it acts."""
    assert watched.look(LIMIT, lag=3) != []
    assert watched.look(1, lag=2, does=True) == []


def test_consumer_that_has_not_begun_is_not_stuck() -> None:
    """It may wait for its database, or for a migration, for as long as that takes."""
    assert Watched().look(10 * LIMIT, lag=None, turns=False) == []
