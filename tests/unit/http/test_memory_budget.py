"""The memory budget for the bodies of all open batches."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from application.ports import Receipt
from domain.errors import Rejected, Unavailable
from domain.event import UserEvent
from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests.memory_budget import SMALL_BYTES, MemoryBudget
from entrypoints.http.routes import batch
from tests.support import bombs
from tests.support.api import MAX_BATCH_BYTES, Api, an_api

HEADERS = {"content-type": "application/json"}


def test_reservation_ends_with_request() -> None:
    """Also that of a request whose next reservation failed."""
    budget = MemoryBudget(10)
    with budget.reservation() as reserve:
        reserve(4)
        with pytest.raises(HttpProblem), budget.reservation() as other:
            other(7)
        with budget.reservation() as other:
            other(6)
    with budget.reservation() as reserve, budget.reservation() as other:
        reserve(10)
        with pytest.raises(HttpProblem):
            other(1)


def test_lone_request_may_exceed_budget() -> None:
    """Otherwise it could never succeed."""
    budget = MemoryBudget(10)
    with budget.reservation() as reserve:
        reserve(11)
        reserve(1)


def test_part_of_budget_is_reserved_for_small_requests() -> None:
    """Large requests cannot use it; small ones may use the whole budget."""
    budget = MemoryBudget(4 * SMALL_BYTES, reserved_for_small=2 * SMALL_BYTES)
    with (
        budget.reservation() as large,
        budget.reservation() as another,
        budget.reservation() as small,
        budget.reservation() as last,
    ):
        large(2 * SMALL_BYTES)
        another(SMALL_BYTES)
        with pytest.raises(HttpProblem):
            another(1)
        small(SMALL_BYTES)
        with pytest.raises(HttpProblem):
            last(1)


async def test_unfinished_large_batches_do_not_block_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The large ones wait for the rest of their bodies."""
    monkeypatch.setattr(batch, "_BUDGET_BYTES", 1)
    has_arrived, leave = asyncio.Semaphore(0), asyncio.Event()

    async def unfinished() -> AsyncIterator[bytes]:
        yield b"[".ljust(MAX_BATCH_BYTES - 1)
        has_arrived.release()
        await leave.wait()
        yield b"]"

    async with an_api() as api, asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(api.client.post("/events/batch", content=unfinished(), headers=HEADERS))
        for _ in range(2):
            await has_arrived.acquire()
        assert (await api.post_batch(b'[{"userId":"u","eventType":"LOGIN"}]')).status_code == 200
        assert (await api.post_batch(b"[]".ljust(MAX_BATCH_BYTES))).status_code == 503
        leave.set()


@pytest.fixture
async def small(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """An API with a budget for two batches of full size."""
    monkeypatch.setattr(batch, "_BUDGET_BYTES", 1)
    monkeypatch.setattr(batch, "_SMALL_BUDGET_BYTES", 0)
    async with an_api() as api:
        yield api


@pytest.mark.parametrize("encoding", ["identity", "zstd"])
async def test_batch_over_budget_gets_503_and_next_succeeds(
    small: Api, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    """Decompressed bytes count, too. Single events do not use the budget."""
    publishing, leave = asyncio.Semaphore(0), asyncio.Event()

    async def publish(
        events: Sequence[UserEvent], _trace: bytes | None = None
    ) -> Sequence[Receipt | Rejected | Unavailable]:
        publishing.release()
        await leave.wait()
        return [Receipt(0, 0) for _ in events]

    monkeypatch.setattr(small.publisher, "publish", publish)
    body = (b'[{"userId":"u","eventType":"LOGIN"}]').ljust(MAX_BATCH_BYTES * 3 // 4)
    packed = bombs.zstd(body) if encoding == "zstd" else body

    async def post() -> int:
        headers = {**HEADERS, "content-encoding": encoding}
        return (await small.client.post("/events/batch", content=packed, headers=headers)).status_code

    under_way = [asyncio.create_task(post()) for _ in range(2)]
    for _ in under_way:
        await publishing.acquire()
    assert await post() == 503
    alone = asyncio.create_task(small.post(b'{"userId":"u","eventType":"LOGIN"}'))
    await publishing.acquire()
    leave.set()
    assert await asyncio.gather(*under_way) == [200, 200]
    assert (await alone).status_code == 201
    assert await post() == 200
