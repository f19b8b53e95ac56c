"""Waiting for what only shows from outside."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE = 60.0
"""By when, in seconds, whatever a test waits for must have happened; reached only by a failure."""
_POLL_SECONDS = 0.05


async def eventually(check: Callable[[], Awaitable[bool]], what: str, *, within: float = PATIENCE) -> None:
    """Return once `check` says so; fail when it still does not after `within` seconds."""
    try:
        async with asyncio.timeout(within):
            while not await check():
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise AssertionError(f"after {within:g} s still not: {what}") from None
