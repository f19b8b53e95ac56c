"""The consumer process: it moves events from the log into the table, and serves its health on a small port."""

import asyncio
from functools import partial

from application.consume.consumer_loop import ConsumerLoop
from entrypoints.config.settings import Settings
from entrypoints.http.app import health_app
from entrypoints.http.server.limits import ConnectionLimit, Limits
from entrypoints.http.server.serve import listen, serve
from entrypoints.processes.health import Readiness
from entrypoints.processes.lifecycle import run_together
from entrypoints.processes.preparation import Preparation
from entrypoints.processes.watchdog import ConsumerWatchdog

_HEALTH_DRAIN_SECONDS = 1.0
_HEALTH_CONNECTIONS = 64
"""A health check closes an idle connection where all are taken."""


class Consumer:
    """The consumer loop, its watchdog and the health server."""

    def __init__(
        self,
        settings: Settings,
        consumer_loop: ConsumerLoop,
        readiness: Readiness,
        preparation: Preparation,
        watchdog: ConsumerWatchdog,
    ) -> None:
        self._settings = settings
        self._consumer_loop = consumer_loop
        self._preparation = preparation
        self._readiness = readiness
        self._watchdog = watchdog

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`, after the preparation."""
        with listen(self._settings.host, self._settings.consumer_port, "CONSUMER_PORT") as listener:
            serving = partial(
                serve,
                health_app(self._readiness),
                listener,
                drain=_HEALTH_DRAIN_SECONDS,
                limits=Limits(
                    connections=ConnectionLimit(_HEALTH_CONNECTIONS, evicts_idle=True),
                    keep_alive=self._settings.keep_alive_seconds,
                    content_idle=self._settings.body_silence_seconds,
                    content_total=self._settings.body_timeout_seconds,
                ),
            )
            await run_together(stop, self._work, serving, self._readiness.watch, self._watchdog.run)

    async def _work(self, stop: asyncio.Event) -> None:
        await self._preparation.run(stop)
        await self._consumer_loop.run(stop)
