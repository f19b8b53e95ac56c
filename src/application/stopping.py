"""What a stop means to those who work or wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def finishing(stop: asyncio.Event, within: float) -> AsyncIterator[asyncio.Timeout]:
    """Let what is inside go on after `stop` for `within` seconds at most; then it is cancelled: `TimeoutError`."""
    loop = asyncio.get_running_loop()

    async def limit_end(limit: asyncio.Timeout) -> None:
        await stop.wait()
        limit.reschedule(loop.time() + within)

    async with asyncio.timeout(None) as limit:
        limiting = asyncio.create_task(limit_end(limit))
        try:
            yield limit
        finally:
            limiting.cancel()


async def pause(seconds: float, wake: asyncio.Event) -> None:
    """Sleep, but wake up for an event, such as a stop."""
    # Not `wait_for`, which Python 3.11 lets swallow a cancellation that comes together with the event.
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()
