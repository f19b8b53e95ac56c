"""The loop of the legacy service: one INSERT an event, each in a transaction of its own."""

import json
import time
from uuid import uuid4

import uvloop
from aiokafka import AIOKafkaConsumer

from adapters.postgres.sessions.database import Database
from benchmarks.apart import apart
from benchmarks.backlog import Backlog
from benchmarks.bench import difference
from benchmarks.figures import Run
from benchmarks.servers import Servers
from tests.support.legacy_service import INSERT
from tests.support.postgres import connect


async def naive(servers: Servers, backlog: Backlog, count: int) -> Run:
    """Store the first `count` events of a backlog in a new database; the value is in events/s."""
    async with servers.database() as database:
        await servers.settle()
        before = servers.cpu_seconds()
        rate, client = await apart(_run, servers.kafka.bootstrap, backlog.topic, database, count)
        return Run(rate, difference(before, servers.cpu_seconds()) | {"client": client})


def _run(bootstrap: str, topic: str, database: Database, count: int) -> tuple[float, float]:
    return uvloop.run(_consume(bootstrap, topic, database, count))


async def _consume(bootstrap: str, topic: str, database: Database, count: int) -> tuple[float, float]:
    """Return the rate after the first event, and the processor seconds."""
    connection = await connect(database)
    try:
        async with AIOKafkaConsumer(
            topic, bootstrap_servers=bootstrap, group_id=f"naive-{uuid4().hex}", auto_offset_reset="earliest"
        ) as consumer:
            stored, cpu, started = 0, 0.0, 0.0
            async for record in consumer:
                event = json.loads(record.value)
                payload = json.dumps(event["payload"])
                # The driver prepares the statement once.
                await connection.execute(INSERT, event["eventId"], event["userId"], event["eventType"], payload)
                if stored == 0:
                    cpu, started = time.process_time(), time.perf_counter()
                if stored == count:
                    break
                stored += 1
            rate, used = stored / (time.perf_counter() - started), time.process_time() - cpu
        rows = await connection.fetchval("SELECT count(*) FROM events")
        assert rows == stored + 1, f"{rows} rows are stored instead of {stored + 1}"
        return rate, used
    finally:
        await connection.close()
