"""Ends of clients within a limit: their own `stop` waits for brokers for as long as those are away.

What a `stop` that was cut short leaves behind goes on for ever, heartbeats and sending above all, and a second `stop`
does nothing. Where a fetch waits for another try, `stop` raises `CancelledError` as if its caller had been cancelled.

Upstream: aiokafka 1101 and 1013 (no limit), 647 (`CancelledError`).
"""

import asyncio
import logging
from asyncio import Task
from collections.abc import Coroutine, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from adapters.kafka.connection import describe

logger = logging.getLogger(__name__)

_STOP_LIMIT_SECONDS = 2.5
_ABANDON_LIMIT_SECONDS = 0.5
_ABANDON_PRODUCER_LIMIT_SECONDS = 2.0
"""Requests that were under way are put back among the batches first."""


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Leave the group and close all connections, in three seconds at most. Raises nothing."""
    # A task of its own, so that the client cannot cancel ours.
    stopping = asyncio.create_task(consumer.stop())
    try:
        await asyncio.wait([stopping], timeout=_STOP_LIMIT_SECONDS)
    finally:
        cause = _failure(stopping)
        if cause is not None:
            logger.warning("the consumer was not closed in order", extra={"cause": cause})
            parts = [part for part in (consumer._coordinator, consumer._fetcher) if part is not None]
            tasks = [value for part in parts for value in vars(part).values() if isinstance(value, Task)]
            if consumer._fetcher is not None:
                tasks += consumer._fetcher._pending_tasks
            await _abandon(consumer._client.close(), [stopping, *tasks], _ABANDON_LIMIT_SECONDS)


async def stop_producer(producer: AIOKafkaProducer, *, is_flushed: bool) -> None:
    """Close all connections likewise; batches that are not flushed are given up at once. Raises nothing."""
    stopping = asyncio.create_task(producer.stop())
    try:
        # Also where there is nothing to wait for it has to begin, lest the client complains that it was never stopped.
        await asyncio.wait([stopping], timeout=_STOP_LIMIT_SECONDS if is_flushed else 0)
    finally:
        if not is_flushed or _failure(stopping) is not None:
            sender = producer._sender.sender_task
            tasks = [stopping] if sender is None else [stopping, sender]
            await _abandon(_close_client(producer), tasks, _ABANDON_PRODUCER_LIMIT_SECONDS)
            accumulator = producer._message_accumulator
            for batches in accumulator._batches.values():
                # A batch removes itself from these, also one that was put back from them.
                accumulator._pending_batches.update(batches)
            for batch in accumulator._pending_batches:
                # The flush that goes on waits for it.
                batch.future.cancel()


async def _close_client(producer: AIOKafkaProducer) -> None:
    client = producer.client
    await client.close()
    # Requests that failed wait for metadata, which nobody fetches any more.
    client._md_update_fut = client._md_update_fut or asyncio.get_running_loop().create_future()
    if not client._md_update_fut.done():
        client._md_update_fut.set_result(False)


async def _abandon(closing: Coroutine[object, object, None], tasks: Sequence[Task[None]], limit: float) -> None:
    for task in tasks:
        task.cancel()
    # Together, since tasks end when their connections do, and would open new ones.
    await asyncio.wait([asyncio.create_task(closing), *tasks], timeout=limit)


def _failure(stopping: Task[None]) -> str | None:
    if not stopping.done():
        return "it takes too long"
    if stopping.cancelled():
        return "it gave up by itself"
    error = stopping.exception()
    return None if error is None else describe(error)
