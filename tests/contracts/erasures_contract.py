"""The contract of `Erasures`."""

from datetime import datetime, timedelta
from typing import Protocol

import pytest

from application.ports import Erasures
from tests.support.events import NOON

MICROSECOND = timedelta(microseconds=1)


class ErasuresUnderTest(Protocol):
    """A register that is empty at the start of each test."""

    @property
    def erasures(self) -> Erasures: ...

    async def note(self, user_id: str, erased_at: datetime) -> None:
        """Write into it, as a person who deletes a user's rows does."""
        ...


class ErasuresContract:
    """Subclasses override the fixture `register`."""

    @pytest.fixture
    def register(self) -> ErasuresUnderTest:
        raise NotImplementedError

    async def test_erased_users_are_listed_with_their_time(self, register: ErasuresUnderTest) -> None:
        """To the microsecond; those who were not erased, and those not asked for, are left out."""
        await register.note("Jörg", NOON + MICROSECOND)
        await register.note("someone", NOON)
        found = await register.erasures.erased_at(["nobody", "Jörg", "jörg"])
        assert found == {"Jörg": NOON + MICROSECOND}
        assert found["Jörg"].utcoffset() == timedelta(0)

    async def test_later_erasure_of_the_same_user_counts(self, register: ErasuresUnderTest) -> None:
        """They came back in between."""
        await register.note("user-1", NOON)
        await register.note("user-1", NOON + timedelta(days=1))
        assert await register.erasures.erased_at(["user-1"]) == {"user-1": NOON + timedelta(days=1)}

    async def test_many_users_can_be_asked_for_at_once(self, register: ErasuresUnderTest) -> None:
        """As many as the records of a batch may have, and none."""
        await register.note("user-7", NOON)
        assert await register.erasures.erased_at({f"user-{number}" for number in range(50_000)}) == {"user-7": NOON}
        assert await register.erasures.erased_at([]) == {}
