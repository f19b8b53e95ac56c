"""Long computations in an event loop that serves others as well."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

LONG_BYTES = 64 * 1024
"""Of text, which take a millisecond or two to parse or to validate, and ten where they are made to take long."""
TURN_SECONDS = 0.005
"""After how much work others are let in; the check of a payload against a schema, which may come last, adds to it."""
_aside = ThreadPoolExecutor(1, "long-computation")
"""One thread: several would keep the event loop waiting for several of the interpreter's switch intervals."""


async def in_turns(work: Callable[[T], R], items: Iterable[T | None], size: Callable[[T], int]) -> list[R]:
    """Do `work` on each of `items` in order, and return what it returns.

    Others are let in after `TURN_SECONDS`, and not earlier: with turns of 64 KiB, in which requests of 500 events
    alternate, an event takes 1 µs more.
    Work on an item of more than `LONG_BYTES` is done in a thread. An item of None is none: where `items` are long in
    the making, it lets others in as well.
    """
    done: list[R] = []
    ends = perf_counter() + TURN_SECONDS
    for item in items:
        if item is None:
            ends = 0.0
        elif size(item) > LONG_BYTES:
            done.append(await in_thread(work, item))
        else:
            done.append(work(item))
        if perf_counter() >= ends:
            await asyncio.sleep(0)
            ends = perf_counter() + TURN_SECONDS
    return done


async def in_thread(work: Callable[[T], R], item: T) -> R:
    """Do `work` on `item` in a thread, behind what others have it do there, with the variables of this context."""
    return await asyncio.get_running_loop().run_in_executor(_aside, copy_context().run, work, item)
