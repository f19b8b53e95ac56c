"""The steps before the work: topics and schema, each retried while its dependency is unavailable."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.kafka.connection import Brokers
from adapters.kafka.topics import ensure_topics
from adapters.postgres.event_log.topics import ensure_topic
from adapters.postgres.schema.migrate import migrate, require_migrated
from adapters.postgres.sessions.database import Database
from adapters.postgres.sessions.requirements import durability_risks
from application.stopping import finishing
from domain.errors import Unavailable
from entrypoints.config.settings import Settings
from entrypoints.processes.parameters import topics

logger = logging.getLogger(__name__)

_FIRST_BACKOFF_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 5.0

_ResultT = TypeVar("_ResultT")

Step = Callable[[], Awaitable[object]]
"""An action done once; it raises `Unavailable` where it has to be tried again."""


class Preparation:
    """Takes all steps once before the work."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._missing = "has not begun yet"

    async def run(self, stop: asyncio.Event) -> None:
        """Take the steps in order; `stop` cancels the current one. Raises `WrongDeployment`."""
        try:
            async with finishing(stop, within=0) as limit:
                for step in self._steps:
                    await retry_while_unavailable(partial(self._take, step))
                self._missing = ""
                logger.info("schema and topics are ready")
        except TimeoutError:
            if not limit.expired():
                raise

    async def ping(self) -> None:
        """Return once all steps are done; until then raise `Unavailable` with the cause."""
        if self._missing:
            raise Unavailable(self._missing)

    async def _take(self, step: Step) -> None:
        try:
            await step()
        except Unavailable as unavailable:
            self._missing = str(unavailable)
            raise


async def retry_while_unavailable(step: Callable[[], Awaitable[_ResultT]], *, patience: float = math.inf) -> _ResultT:
    """Take `step`, again and again while it raises `Unavailable`; return its result.

    Raises the last `Unavailable` when no further attempt fits into `patience` seconds. No attempt is cancelled.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + patience
    backoff, logged = _FIRST_BACKOFF_SECONDS, ""
    while True:
        began = clock()
        try:
            return await step()
        except Unavailable as unavailable:
            # The next attempt may take as long as this one.
            if 2 * clock() - began + backoff >= deadline:
                raise
            if str(unavailable) != logged:
                logger.warning("waiting for dependencies", extra={"cause": str(unavailable)})
            logged = str(unavailable)
        await asyncio.sleep(backoff)
        backoff = min(2 * backoff, _MAX_BACKOFF_SECONDS)


def kafka_steps(settings: Settings, database: Database, brokers: Brokers) -> list[Step]:
    """List the steps where the log is Kafka."""

    async def check_topics() -> None:
        for report in await ensure_topics(brokers, topics(settings), creates=settings.kafka_create_topics):
            for warning in report.warnings:
                logger.warning("topic settings need attention", extra={"topic": report.name, "warning": warning})

    return [check_topics, _schema_step(settings, database)]


def postgres_steps(settings: Settings, database: Database, engine: AsyncEngine) -> list[Step]:
    """List the steps where the log is the embedded one."""

    async def create_topics() -> None:
        await ensure_topic(engine, settings.kafka_topic, settings.kafka_partitions)
        # Dead letters have no order to keep, so any number of partitions will do.
        await ensure_topic(engine, settings.kafka_dlq_topic)

    steps = [_schema_step(settings, database)]
    if settings.kafka_create_topics:
        steps.append(create_topics)
    return steps


def _schema_step(settings: Settings, database: Database) -> Step:
    async def prepare_schema() -> None:
        await (migrate if settings.db_migrate else require_migrated)(database)
        for risk in await durability_risks(database):
            logger.warning("database settings need attention", extra={"warning": risk})

    return prepare_schema
