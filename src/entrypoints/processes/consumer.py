"""The consumer process: it moves events from the log into the table, and serves its health on a small port."""

import asyncio
from dataclasses import dataclass
from functools import partial

from application.consume.consumer_loop import ConsumerLoop
from entrypoints.config.settings import Settings
from entrypoints.http.app import health_app
from entrypoints.http.server.limits import ConnectionLimit, Limits
from entrypoints.http.server.serve import listen, serve
from entrypoints.processes.dead_letter_tasks import DeadLetterTasks
from entrypoints.processes.health import Readiness
from entrypoints.processes.lifecycle import run_together
from entrypoints.processes.preparation import Preparation
from entrypoints.processes.watchdog import ConsumerWatchdog

_HEALTH_DRAIN_SECONDS = 1.0
_HEALTH_CONNECTIONS = 64
"""A health check closes an idle connection where all are taken."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """The consumer loop, its watchdog, the work on dead letters and the health server."""

    settings: Settings
    consumer_loop: ConsumerLoop
    dead_letters: DeadLetterTasks
    readiness: Readiness
    preparation: Preparation
    watchdog: ConsumerWatchdog

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`, after the preparation."""
        settings = self.settings
        limits = Limits(
            connections=ConnectionLimit(_HEALTH_CONNECTIONS, evicts_idle=True),
            keep_alive=settings.keep_alive_seconds,
            content_idle=settings.body_silence_seconds,
            content_total=settings.body_timeout_seconds,
        )
        app = health_app(self.readiness)
        with listen(settings.host, settings.consumer_port, "CONSUMER_PORT") as listener:
            serving = partial(serve, app, listener, drain=_HEALTH_DRAIN_SECONDS, limits=limits)
            await run_together(stop, self._work, serving, self.readiness.watch, self.watchdog.run)

    async def _work(self, stop: asyncio.Event) -> None:
        await self.preparation.run(stop)
        await run_together(stop, self.consumer_loop.run, self.dead_letters.run)
