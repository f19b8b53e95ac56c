"""Sizes that the brokers have refused."""

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from adapters.kafka.record_batches import Outgoing
from adapters.kafka.refused_sizes import RefusedSizes

SIZE = 60_000


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def a_record(size: int) -> Outgoing:
    return Outgoing(b"key", b"x" * size, [("content-type", b"application/json")])


def is_refused(sizes: RefusedSizes, record: Outgoing, topic: str = "events") -> bool:
    try:
        sizes.check(topic, record)
    except MessageSizeTooLargeError:
        return True
    return False


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sizes(clock: Clock) -> RefusedSizes:
    return RefusedSizes(clock)


def test_what_is_as_large_as_what_was_refused_is_refused(sizes: RefusedSizes) -> None:
    """One byte less may fit, another topic may have another limit."""
    sizes.note("events", a_record(SIZE))
    assert is_refused(sizes, a_record(SIZE))
    assert is_refused(sizes, a_record(SIZE + 1))
    assert not is_refused(sizes, a_record(SIZE - 1))
    assert not is_refused(sizes, a_record(SIZE), "others")


def test_the_smallest_refusal_counts(sizes: RefusedSizes) -> None:
    """In whichever order they came."""
    for size in (SIZE, SIZE - 2, SIZE - 1):
        sizes.note("events", a_record(size))
    assert is_refused(sizes, a_record(SIZE - 2))
    assert not is_refused(sizes, a_record(SIZE - 3))


def test_a_refusal_is_forgotten_in_the_end(sizes: RefusedSizes, clock: Clock) -> None:
    """The topic's limit may have been raised; a larger record teaches anew then."""
    sizes.note("events", a_record(SIZE))
    clock.now = 301
    assert not is_refused(sizes, a_record(SIZE))
    sizes.note("events", a_record(2 * SIZE))
    assert is_refused(sizes, a_record(2 * SIZE))
    assert not is_refused(sizes, a_record(SIZE))
