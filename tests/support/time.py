"""A clock that tests can move forward, for tests of timeouts."""

import asyncio

import pytest


class LoopTime:
    """Moves the clock of the running event loop forward; its timers follow."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        real, self._forward = loop.time, 0.0
        monkeypatch.setattr(loop, "time", lambda: real() + self._forward)

    async def passes(self, seconds: float) -> None:
        """Move the clock forward, and run what is due."""
        self._forward += seconds
        for _ in range(100):
            await asyncio.sleep(0)
