"""What a stop means to those who wait."""

import asyncio

import pytest

from application.stopping import pause


async def test_pause_ends_with_its_time_and_with_a_stop() -> None:
    """Whichever comes first."""
    stop = asyncio.Event()
    await pause(0.001, stop)
    waiting = asyncio.create_task(pause(60, stop))
    stop.set()
    await waiting


async def test_pause_that_is_cancelled_as_the_stop_comes_is_cancelled() -> None:
    """A caller that waits for its end would otherwise wait for ever."""
    stop = asyncio.Event()
    waiting = asyncio.create_task(pause(60, stop))
    await asyncio.sleep(0)
    stop.set()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
