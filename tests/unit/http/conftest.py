"""Fixtures of the HTTP API's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.support.api import Api, an_api


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """Make an API over empty adapters."""
    async with an_api() as made:
        yield made
