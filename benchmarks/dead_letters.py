"""A consumer process takes a full dead-letter topic into the index; then a job replays all of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import uvloop

from adapters.postgres.sessions.database import Database
from adapters.records import codec, dlq_headers
from adapters.records.log_record import LogRecord
from benchmarks.apart import apart
from benchmarks.backlog import PARTITIONS, send
from benchmarks.bench import Bench, difference, say
from benchmarks.events import Variant, events
from benchmarks.figures import Figure, Run, of_runs
from benchmarks.publishing import new_topic
from benchmarks.service import Service, environment, running
from domain.dead_letter import DeadLetter, Failure, FailureKind
from tests.support.postgres import connect
from tests.support.records import Topics

_VARIANT = "letters"
_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 300.0
_FAILURE = Failure(FailureKind.REJECTED, "database: SQLSTATE 23514: violates check constraint", "Rejected")


async def index(bench: Bench) -> list[Figure]:
    """Measure how many dead letters a second the index takes in."""
    runs = []
    for _ in range(bench.counts.runs):
        async with _stage(bench) as stage:
            runs.append(await _indexed(bench, stage))
    return [of_runs("index", _VARIANT, "letters/s", runs)]


async def replay(bench: Bench) -> list[Figure]:
    """Measure how many dead letters a second a job replays, until each has its outcome: stored."""
    runs = []
    for _ in range(bench.counts.runs):
        async with _stage(bench) as stage:
            await _indexed(bench, stage)
            runs.append(await _replayed(bench, stage))
    return [of_runs("replay", _VARIANT, "letters/s", runs)]


@dataclass(frozen=True)
class _Stage:
    database: Database
    api: Service
    consumer: Service


@asynccontextmanager
async def _stage(bench: Bench) -> AsyncIterator[_Stage]:
    """Fill a dead-letter topic, and start the processes."""
    topic = await new_topic(bench)
    bootstrap = bench.servers.kafka.bootstrap
    await Topics(bootstrap).make(f"{topic}-dlq", partitions=PARTITIONS)
    say(f"filling a topic with {bench.counts.letters} dead letters")
    await apart(_fill, bootstrap, topic, bench.counts.letters)
    async with bench.servers.database() as database:
        await bench.servers.settle()
        settings = environment(bootstrap, topic, database)
        async with (
            running("api", bench.folder, settings) as api,
            running("consumer", bench.folder, settings) as consumer,
        ):
            await api.ready()
            yield _Stage(database, api, consumer)


async def _indexed(bench: Bench, stage: _Stage) -> Run:
    """Wait until the index has all letters; the value is letters/s after the first batch."""
    connection = await connect(stage.database)
    try:
        first, started = 0, 0.0
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (count := int(await connection.fetchval("SELECT count(*) FROM dead_letters"))) < bench.counts.letters:
            if count and not first:
                first, started, before = count, time.perf_counter(), stage.consumer.cpu_seconds
            stage.consumer.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the index has {count} of {bench.counts.letters} letters")
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        await connection.close()
    if not first:
        raise ValueError("everything was in one batch, which gives no rate: take more letters")
    rate = (count - first) / (time.perf_counter() - started)
    return Run(rate, {"consumer": stage.consumer.cpu_seconds - before})


async def _replayed(bench: Bench, stage: _Stage) -> Run:
    """Replay all letters; the value is letters/s from the job's start to its end."""
    before = bench.servers.cpu_seconds() | {"consumer": stage.consumer.cpu_seconds}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{stage.api.port}") as client:
        order = {"state": "dead", "reason": "benchmark", "expectedCount": bench.counts.letters}
        answer = await client.post("/dead-letters/replays", json=order)
        answer.raise_for_status()
        path = answer.headers["location"]
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (job := await _job(client, path))["state"] == "running":
            if time.monotonic() > deadline:
                raise TimeoutError(f"the job is not finished: {job}")
            await asyncio.sleep(_LOOK_SECONDS)
    assert job["counts"]["stored"] == bench.counts.letters, job
    took = datetime.fromisoformat(job["endedAt"]) - datetime.fromisoformat(job["startedAt"])
    after = bench.servers.cpu_seconds() | {"consumer": stage.consumer.cpu_seconds}
    return Run(bench.counts.letters / took.total_seconds(), difference(before, after))


async def _job(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await client.get(path)
    answer.raise_for_status()
    job: dict[str, Any] = answer.json()
    return job


def _fill(bootstrap: str, topic: str, count: int) -> None:
    uvloop.run(send(bootstrap, f"{topic}-dlq", _letters(topic, count)))


def _letters(topic: str, count: int) -> Iterator[tuple[bytes, bytes, codec.Headers]]:
    """Yield dead letters of events that could be stored by now."""
    now = datetime.now(UTC)
    timestamp = int(now.timestamp() * 1000)
    for place, event in enumerate(events(Variant("v7", "200"), count)):
        key, value = codec.encode_key(event), codec.encode(event)
        record = LogRecord(
            topic, place % PARTITIONS, place // PARTITIONS, timestamp, key, value, codec.record_headers()
        )
        yield key, value, dlq_headers.render(DeadLetter(record, _FAILURE, 1, now, now, event.id))
