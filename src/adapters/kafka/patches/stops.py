"""Stops: a time limit, and an end of all tasks.

- The client's `stop` waits for brokers without a limit. After a `stop` that was cancelled, heartbeats and sending go on
  for ever, and a second `stop` does nothing. Upstream: aiokafka 1101, 1013.
- A consumer's `stop` raises `CancelledError` when a fetch waits for a retry. Upstream: aiokafka 647.
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
"""Longer, since the client first puts the batches of failed requests back into its queue."""


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Leave the group and close all connections, in three seconds at most. Raises nothing."""
    # A task of its own: the client cannot cancel ours.
    stopping = asyncio.create_task(consumer.stop())
    try:
        await asyncio.wait([stopping], timeout=_STOP_LIMIT_SECONDS)
    finally:
        cause = _failure(stopping)
        if cause is not None:
            logger.warning("could not stop the consumer; abandoning it", extra={"cause": cause})
            parts = [part for part in (consumer._coordinator, consumer._fetcher) if part is not None]
            tasks = [value for part in parts for value in vars(part).values() if isinstance(value, Task)]
            if consumer._fetcher is not None:
                tasks += consumer._fetcher._pending_tasks
            await _abandon(consumer._client.close(), [stopping, *tasks], _ABANDON_LIMIT_SECONDS)


async def stop_producer(producer: AIOKafkaProducer, *, is_flushed: bool) -> None:
    """Close all connections, in five seconds at most; give up batches unless `is_flushed`. Raises nothing."""
    stopping = asyncio.create_task(producer.stop())
    try:
        # Even without a wait `stop` has to run until its first await: then the client counts as stopped.
        await asyncio.wait([stopping], timeout=_STOP_LIMIT_SECONDS if is_flushed else 0)
    finally:
        if not is_flushed or _failure(stopping) is not None:
            sender = producer._sender.sender_task
            tasks = [stopping] if sender is None else [stopping, sender]
            await _abandon(_close_client(producer), tasks, _ABANDON_PRODUCER_LIMIT_SECONDS)
            accumulator = producer._message_accumulator
            for batches in accumulator._batches.values():
                # Each batch removes itself from this set, also one that was put back into the queue.
                accumulator._pending_batches.update(batches)
            for batch in accumulator._pending_batches:
                # Ends the flush, which waits for it.
                batch.future.cancel()


async def _close_client(producer: AIOKafkaProducer) -> None:
    client = producer.client
    await client.close()
    # Failed requests wait for metadata, which is not fetched any more.
    client._md_update_fut = client._md_update_fut or asyncio.get_running_loop().create_future()
    if not client._md_update_fut.done():
        client._md_update_fut.set_result(False)


async def _abandon(closing: Coroutine[object, object, None], tasks: Sequence[Task[None]], limit: float) -> None:
    for task in tasks:
        task.cancel()
    # At the same time: tasks end when their connections close, and would open new ones.
    await asyncio.wait([asyncio.create_task(closing), *tasks], timeout=limit)


def _failure(stopping: Task[None]) -> str | None:
    if not stopping.done():
        return "no end within the limit"
    if stopping.cancelled():
        return "cancelled by the client"
    error = stopping.exception()
    return None if error is None else describe(error)
