"""Ends a consumer that lives but does nothing; a supervisor has to start another."""

import asyncio
import faulthandler
import logging
from time import monotonic

from application.custody import Custody
from application.pipeline import Pipeline
from application.ports import EventSource
from application.stopping import pause
from application.watchdog import Watchdog
from entrypoints.processes.health import Readiness

logger = logging.getLogger(__name__)

_MOST_BETWEEN_LOOKS_SECONDS = 5.0


class Hung(Exception):
    """The consumer does nothing although it could; the message says what was seen."""


class Watch:
    """Watches one consumer, see `docs/adr/0006-two-watchdogs.md`."""

    def __init__(
        self, pipeline: Pipeline, source: EventSource, custody: Custody, readiness: Readiness, limit: float
    ) -> None:
        """`limit`: for how many seconds a consumer may do nothing although it could."""
        self._pipeline = pipeline
        self._source = source
        self._custody = custody
        self._readiness = readiness
        self._limit = limit
        self._watchdog = Watchdog(limit, monotonic)

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`. Raises `Hung` where nothing moved from one look to the next; by then health has failed."""
        between = min(_MOST_BETWEEN_LOOKS_SECONDS, self._limit / 4)
        try:
            while not stop.is_set():
                # Should this loop itself stand still: traces of all threads to stderr, then the end with exit code 1.
                faulthandler.dump_traceback_later(self._limit, exit=True)
                await self._look()
                await pause(between, stop)
        finally:
            faulthandler.cancel_dump_traceback_later()

    async def _look(self) -> None:
        seen = self._watchdog.look(self._pipeline.pulse, await self._lag())
        if seen is None:
            self._readiness.failure = None
        elif self._readiness.failure is None:
            logger.error("hung", extra={"seen": seen})
            self._readiness.failure = seen
        else:
            await self._custody.leave()
            raise Hung(f"hung: {seen}")

    async def _lag(self) -> int | None:
        """Count the records that nothing keeps the consumer from; None where the log cannot be asked, or read now."""
        if self._pipeline.is_reading and not self._source.is_throttled:
            try:
                lag = await self._source.lag()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is no reason to end a consumer
                logger.debug("the lag is not known", extra={"cause": repr(error)})
            else:
                return sum(lag[partition] for partition in lag.keys() - self._pipeline.resting)
        return None
