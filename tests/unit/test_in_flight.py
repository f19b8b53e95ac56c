"""The bound on what waits for a log's acknowledgement."""

import pytest

from adapters.in_flight import InFlight, size_of
from domain.errors import Unavailable


@pytest.fixture
def in_flight() -> InFlight:
    """Room for four records and a hundred bytes."""
    return InFlight(max_events=4, max_bytes=100)


@pytest.mark.parametrize("sizes", [[1] * 5, [1, 99, 1], [101]], ids=["records", "bytes", "one record"])
def test_call_that_does_not_fit_beside_others_is_refused_whole(in_flight: InFlight, sizes: list[int]) -> None:
    """None of it is let in, so that as much fits afterwards as before."""
    in_flight.add([1])
    with pytest.raises(Unavailable, match="not sent: 1 events of 1 bytes wait for the log already"):
        in_flight.add(sizes)
    in_flight.add([33, 33, 33])


def test_calls_fit_up_to_the_bound_itself(in_flight: InFlight) -> None:
    """Both bounds are reached by the second call."""
    in_flight.add([25, 25])
    in_flight.add([25, 25])
    with pytest.raises(Unavailable):
        in_flight.add([0])


def test_call_that_comes_alone_fits_however_large_it_is(in_flight: InFlight) -> None:
    """It would be refused for ever; but nothing fits beside it."""
    in_flight.add([1_000] * 9)
    with pytest.raises(Unavailable):
        in_flight.add([1])


def test_every_record_that_is_let_out_makes_room(in_flight: InFlight) -> None:
    """For as many and as large ones as it was."""
    in_flight.add([40, 60])
    with pytest.raises(Unavailable):
        in_flight.add([40])
    in_flight.remove(40)
    in_flight.add([40])
    with pytest.raises(Unavailable):
        in_flight.add([1])


def test_call_without_records_takes_no_room(in_flight: InFlight) -> None:
    """Nor is it refused where there is none left."""
    in_flight.add([25] * 4)
    in_flight.add([])


def test_size_of_a_record_is_that_of_all_its_parts() -> None:
    """A missing value is empty."""
    assert size_of(b"key", b"12345", (("ab", b"123"), ("c", None))) == len(b"key") + 5 + 5 + 1
    assert size_of(b"key", None, ()) == 3
