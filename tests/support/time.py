"""Time that passes at once where a test says so, for limits that nothing but time can reach."""

import asyncio

import pytest


class LoopTime:
    """The clock of the running event loop, put forward; its timers are due by it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        real, self._forward = loop.time, 0.0
        monkeypatch.setattr(loop, "time", lambda: real() + self._forward)

    async def passes(self, seconds: float) -> None:
        """Put the clock forward, and let all that is due by then happen."""
        self._forward += seconds
        for _ in range(100):
            await asyncio.sleep(0)
