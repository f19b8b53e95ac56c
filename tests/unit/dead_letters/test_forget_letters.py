"""Retention of the index."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import cast

import pytest

from application.dead_letters import forget_letters
from application.dead_letters.forget_letters import ForgetLetters
from application.ports import DeadLetterIndex
from domain.errors import Unavailable
from tests.support.events import NOON


class ForgetfulIndex:
    """An index with some old letters."""

    def __init__(self, stop: asyncio.Event, *answers: int | Exception) -> None:
        self.asked: list[datetime] = []
        self._stop = stop
        self._answers = [*answers]

    async def forget(self, before: datetime) -> int:
        """Answer as planned; with the last answer, have the work stop."""
        self.asked.append(before)
        answer = self._answers.pop(0)
        if not self._answers:
            self._stop.set()
        if isinstance(answer, Exception):
            raise answer
        return answer


async def run(index: ForgetfulIndex, stop: asyncio.Event, retain: timedelta | None) -> None:
    """Run until the stop."""
    async with asyncio.timeout(10):
        await ForgetLetters(cast("DeadLetterIndex", index), lambda: NOON, retain).run(stop)


async def test_old_letters_are_dropped_until_there_are_none(caplog: pytest.LogCaptureFixture) -> None:
    """Some thousand at a time."""
    caplog.set_level(logging.INFO)
    stop = asyncio.Event()
    index = ForgetfulIndex(stop, 2_000, 17, 0)
    await run(index, stop, timedelta(days=30))
    assert index.asked == [NOON - timedelta(days=30)] * 3
    assert "dropped old dead letters from the index" in caplog.messages


async def test_outage_is_waited_for(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The next try comes sooner than an hour later."""
    monkeypatch.setattr(forget_letters, "_RETRY_SECONDS", 0.01)
    stop = asyncio.Event()
    index = ForgetfulIndex(stop, Unavailable("database: away"), 0)
    await run(index, stop, timedelta(days=1))
    assert len(index.asked) == 2
    assert "cannot drop old dead letters at present" in caplog.messages


async def test_without_a_limit_nothing_is_dropped() -> None:
    """It only waits for the stop."""
    stop = asyncio.Event()
    index = ForgetfulIndex(stop, 1)
    asyncio.get_running_loop().call_later(0.01, stop.set)
    await run(index, stop, None)
    assert index.asked == []
