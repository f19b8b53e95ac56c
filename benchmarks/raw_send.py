"""The limit of the Kafka client: its own `send`, record by record."""

import asyncio
import time
from collections import deque
from itertools import cycle

import uvloop
from aiokafka import AIOKafkaProducer

from adapters.kafka.producer import BATCH_BYTES
from adapters.records import codec
from benchmarks.apart import apart
from benchmarks.bench import difference
from benchmarks.events import Size, Variant, events
from benchmarks.figures import Run
from benchmarks.servers import Servers

_RECORDS = 20_000
"""The number of different records."""
_MOST_IN_FLIGHT = 5_000
_DEFAULT_BATCH_BYTES = 16_384
"""The client's default."""


async def raw_send(servers: Servers, topic: str, size: Size, seconds: float) -> Run:
    """Send from a process of its own; the value is in events/s, in batches of the client's default size.

    The rate in batches as large as the service's is noted beside it.
    """
    before = servers.cpu_seconds()
    rate, client = await apart(_run, servers.kafka.bootstrap, topic, size, seconds, _DEFAULT_BATCH_BYTES)
    used = difference(before, servers.cpu_seconds())
    larger, _ = await apart(_run, servers.kafka.bootstrap, topic, size, seconds, BATCH_BYTES)
    return Run(rate, used | {"client": client}, {f"events/s by {BATCH_BYTES} bytes": larger})


def _run(bootstrap: str, topic: str, size: Size, seconds: float, batch_bytes: int) -> tuple[float, float]:
    records = [(codec.encode_key(event), codec.encode(event)) for event in events(Variant("v7", size), _RECORDS)]
    return uvloop.run(_send(bootstrap, topic, records, seconds, batch_bytes))


async def _send(
    bootstrap: str, topic: str, records: list[tuple[bytes, bytes]], seconds: float, batch_bytes: int
) -> tuple[float, float]:
    """Return the rate and the processor seconds."""
    headers = list(codec.record_headers())
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", max_batch_size=batch_bytes
    ) as producer:
        await producer.partitions_for(topic)
        cpu, started = time.process_time(), time.perf_counter()
        in_flight: deque[asyncio.Future[object]] = deque()
        sent = 0
        for key, value in cycle(records):
            if time.perf_counter() - started > seconds:
                break
            in_flight.append(await producer.send(topic, value, key, headers=headers))
            sent += 1
            if len(in_flight) > _MOST_IN_FLIGHT:
                await in_flight.popleft()
        await asyncio.gather(*in_flight)
        return sent / (time.perf_counter() - started), time.process_time() - cpu
