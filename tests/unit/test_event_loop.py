"""Long computations let others in."""

import asyncio
from time import perf_counter

import pytest

from application import event_loop
from application.event_loop import TURN_SECONDS, in_turns


def busy(seconds: float) -> None:
    """Work, as the check of a payload does."""
    ends = perf_counter() + seconds
    while perf_counter() < ends:
        pass


async def test_slow_work_on_small_items_lets_others_in() -> None:
    """No turn is longer than `TURN_SECONDS` and the work on one item."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(others())
    await in_turns(lambda _: busy(TURN_SECONDS / 2), range(20), lambda _: 1)
    running.cancel()
    assert turns >= 7


async def test_quick_work_on_many_items_is_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many bytes they have together."""
    monkeypatch.setattr(event_loop, "perf_counter", lambda: 1.0)
    has_turned = asyncio.Event()
    asyncio.get_running_loop().call_soon(has_turned.set)
    await in_turns(len, [b"a" * 1_000] * 1_000, len)
    assert not has_turned.is_set()


async def test_result_keeps_the_order() -> None:
    """Whatever was done in a thread or in another turn; an item of None is none."""
    items = [b"a" * 100_000, b"b", None, b"c", b"d" * 70_000, b"e"]
    assert await in_turns(lambda item: item[:1], items, len) == [b"a", b"b", b"c", b"d", b"e"]
