"""Steps that are repeated, whatever is unavailable meanwhile."""

import asyncio
import logging

import pytest

from application.consume.pace import Backoff
from application.dead_letters.repetition import Repetition
from domain.errors import Unavailable, WrongDeployment


class Steps:
    """Steps with given ends; the last one sets the event that ends them."""

    def __init__(self, *ends: Exception | None) -> None:
        self.until = asyncio.Event()
        self.explained: list[str | None] = []
        self.is_deaf = False
        self._ends = list(ends)

    async def step(self) -> float:
        end = self._ends.pop(0)
        if not self._ends:
            self.until.set()
        if end is not None:
            raise end
        return 0.0

    async def explain(self, cause: str | None) -> None:
        self.explained.append(cause)
        if self.is_deaf and cause is not None:
            raise Unavailable("nobody to explain it to")

    async def run(self) -> None:
        """Repeat the steps to their end."""
        await Repetition("working", self.step, Backoff(0.001, 0.001), self.explain).run(self.until)


@pytest.mark.parametrize("is_deaf", [False, True])
async def test_failures_in_a_row_are_told_once(caplog: pytest.LogCaptureFixture, *, is_deaf: bool) -> None:
    """With the first cause; and so is the success after them."""
    steps = Steps(None, Unavailable("one"), Unavailable("two"), None, None, Unavailable("three"), None)
    steps.is_deaf = is_deaf
    with caplog.at_level(logging.INFO):
        await steps.run()
    assert steps.explained == ["one", None, "three", None]
    failing, again = "working: failing, trying again", "working: succeeding again"
    assert caplog.messages == [failing, again, failing, again]
    assert [record.__dict__.get("cause") for record in caplog.records] == ["one", None, "three", None]
    assert caplog.records[1].__dict__["failures"] == 2


async def test_wrong_deployment_is_an_error_and_waits_for_a_person(caplog: pytest.LogCaptureFixture) -> None:
    """Not for longer than until the end."""
    steps = Steps(WrongDeployment("no topic"))
    await steps.run()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_bug_ends_the_repetition() -> None:
    """It is nothing to wait for."""
    with pytest.raises(ZeroDivisionError):
        await Steps(ZeroDivisionError(), None).run()
