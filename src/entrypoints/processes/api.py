"""The api process: it publishes events from HTTP requests to the log, and lists stored ones."""

import asyncio
from functools import partial

from application.list_processed import ListProcessed
from application.publish_event import PublishEvent
from entrypoints.config.settings import Settings
from entrypoints.http.app import create_app
from entrypoints.http.prefix import Prefix
from entrypoints.http.server.limits import ConnectionLimit, Limits, affordable_connections
from entrypoints.http.server.serve import listen, serve
from entrypoints.processes.health import Readiness
from entrypoints.processes.lifecycle import run_together
from entrypoints.processes.preparation import Preparation


class Api:
    """The HTTP server and its background tasks."""

    def __init__(
        self,
        settings: Settings,
        publish: PublishEvent,
        listing: ListProcessed,
        readiness: Readiness,
        preparation: Preparation,
    ) -> None:
        self._settings = settings
        self._preparation = preparation
        self._readiness = readiness
        self._app = create_app(
            publish,
            listing,
            readiness,
            max_body_bytes=settings.max_body_bytes,
            max_batch_bytes=settings.max_batch_bytes,
            max_batch_events=settings.max_batch_events,
            max_in_flight=settings.max_in_flight,
            cors_origins=settings.cors_origins.split(",") if settings.cors_origins else (),
            prefix=Prefix(settings.root_path, settings.trusted_proxies),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`. The server accepts events at once, also while the database is still down."""
        with listen(self._settings.host, self._settings.port, "PORT") as listener:
            serving = partial(
                serve,
                self._app,
                listener,
                # Long enough for a response to every request that waits for an acknowledgement; a body gets no more.
                drain=self._settings.publish_timeout_seconds + 1,
                limits=Limits(
                    connections=ConnectionLimit(affordable_connections(self._settings.max_connections)),
                    keep_alive=self._settings.keep_alive_seconds,
                    content_idle=self._settings.body_silence_seconds,
                    content_total=self._settings.body_timeout_seconds,
                ),
            )
            await run_together(stop, self._preparation.run, serving, self._readiness.watch)
