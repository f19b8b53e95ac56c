"""What the client could not read: damaged on its way, or wrong for good."""

import pytest
from aiokafka.errors import CorruptRecordException

from adapters.kafka.assignment import Assignment
from tests.support.custodians import Witness

LIMIT = 500


@pytest.mark.parametrize(("seconds", "singles"), [(1, LIMIT), (59, LIMIT), (60, 0), (3_600, 0)])
def test_what_is_wrong_again_soon_is_looked_for_one_by_one(seconds: float, singles: int) -> None:
    """The first time it is only read again, since that costs next to nothing."""
    assignment = Assignment(None, "events", Witness())
    assignment.doubt(CorruptRecordException(), LIMIT, 100)
    assert assignment.single_fetches == 0
    assignment.doubt(CorruptRecordException(), LIMIT, 100 + seconds)
    assert assignment.single_fetches == singles
