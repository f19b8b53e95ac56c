"""The watchdog of the consumer process: it ends a consumer that makes no progress, so that another is started."""

import asyncio
import faulthandler
import logging
from time import monotonic

from application.consume.consumer_loop import ConsumerLoop
from application.consume.stuck_detector import StuckDetector
from application.ports import EventSource
from application.stopping import pause
from entrypoints.config.errors import CannotRun
from entrypoints.http.health_report import Health

logger = logging.getLogger(__name__)

_MAX_INTERVAL_SECONDS = 5.0


class NoProgress(CannotRun):
    """The consumer makes no progress although it could; the message says how that was noticed."""


class ConsumerWatchdog:
    """Watches one consumer, see `docs/adr/0006-two-watchdogs.md`."""

    def __init__(self, consumer_loop: ConsumerLoop, source: EventSource, health: Health, limit: float) -> None:
        """`limit`: seconds that a consumer may pass without progress although it could make some."""
        self._consumer_loop = consumer_loop
        self._source = source
        self._health = health
        self._limit = limit
        self._stuck_detector = StuckDetector(limit, monotonic)

    async def run(self, stop: asyncio.Event) -> None:
        """Check it until `stop`: a check that sees no progress fails its health, the next one raises `NoProgress`."""
        interval = min(_MAX_INTERVAL_SECONDS, self._limit / 4)
        try:
            while not stop.is_set():
                # For a blocked event loop: write the tracebacks of all threads to stderr and exit with code 1.
                faulthandler.dump_traceback_later(self._limit, exit=True)
                await self._check()
                await pause(interval, stop)
        finally:
            faulthandler.cancel_dump_traceback_later()

    async def _check(self) -> None:
        symptom = self._stuck_detector.look(self._consumer_loop.pulse, await self._lag())
        if symptom is None:
            self._health.failure = None
        elif self._health.failure is None:
            logger.error("no progress", extra={"seen": symptom})
            self._health.failure = symptom
        else:
            await self._consumer_loop.release()
            raise NoProgress(f"no progress: {symptom}")

    async def _lag(self) -> int | None:
        """Count the records that the consumer could process; None where the log cannot be asked, or read now."""
        if self._consumer_loop.poll_trouble is None and not self._source.is_throttled:
            try:
                lag = await self._source.lag()
            except Exception as error:  # noqa: BLE001 - no error of this question is a reason to end a consumer
                logger.debug("lag unknown", extra={"cause": repr(error)})
            else:
                return sum(lag[partition] for partition in lag.keys() - self._consumer_loop.waiting)
        return None
