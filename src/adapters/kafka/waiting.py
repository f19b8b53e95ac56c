"""Waits for futures until a moment, as `asyncio.wait` does, for a third of what that takes."""

from asyncio import AbstractEventLoop, Future
from collections.abc import Collection
from typing import Any


async def wait_until(end: float, futures: Collection[Future[Any]], loop: AbstractEventLoop) -> None:
    """Return once all of some futures of `loop` are done, or at `end` on its clock."""
    left = len(futures)
    waiter = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def count(_: Future[Any]) -> None:
        nonlocal left
        left -= 1
        if not left:
            wake()

    timer = loop.call_at(end, wake)
    for future in futures:
        future.add_done_callback(count)
    try:
        await waiter
    finally:
        timer.cancel()
        for future in futures:
            future.remove_done_callback(count)
