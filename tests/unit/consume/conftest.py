"""A consumer over the adapters in memory."""

import pytest

from tests.support.consumer_world import ConsumerWorld


@pytest.fixture
def world() -> ConsumerWorld:
    """A world without any record."""
    return ConsumerWorld()
