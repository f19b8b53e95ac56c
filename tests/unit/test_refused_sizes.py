"""Sizes that the brokers have refused."""

import math

import pytest

from adapters.kafka.producer.refused_sizes import RefusedSizes

SIZE = 60_000


class Clock:
    """A clock that does not move until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sizes(clock: Clock) -> RefusedSizes:
    return RefusedSizes(clock)


def test_each_topic_has_a_limit_of_its_own(sizes: RefusedSizes) -> None:
    sizes.note("events", SIZE)
    assert (sizes.limit("events"), sizes.limit("others")) == (SIZE, math.inf)


def test_smallest_refusal_counts(sizes: RefusedSizes) -> None:
    """In whichever order they came."""
    for size in (SIZE, SIZE - 2, SIZE - 1):
        sizes.note("events", size)
    assert sizes.limit("events") == SIZE - 2


def test_refusal_is_forgotten_after_a_while(sizes: RefusedSizes, clock: Clock) -> None:
    """The topic's limit may have been raised; a larger record teaches anew then."""
    sizes.note("events", SIZE)
    clock.now = 301
    assert sizes.limit("events") == math.inf
    sizes.note("events", 2 * SIZE)
    assert sizes.limit("events") == 2 * SIZE
