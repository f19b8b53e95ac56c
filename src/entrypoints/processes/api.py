"""The api process: it publishes events from HTTP requests to the log, and lists stored ones."""

import asyncio
from dataclasses import dataclass
from functools import partial

from application.dead_letters.use_cases import LetterUseCases
from application.event_catalog import EventCatalog
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


@dataclass(frozen=True, slots=True)
class Api:
    """The HTTP server and its background tasks."""

    settings: Settings
    event_types: EventCatalog
    publish: PublishEvent
    listing: ListProcessed
    readiness: Readiness
    letters: LetterUseCases
    preparation: Preparation

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`. The server accepts events at once, also while the database is still down."""
        settings = self.settings
        app = create_app(
            self.publish,
            self.listing,
            self.readiness,
            self.letters,
            event_types=self.event_types,
            max_body_bytes=settings.max_body_bytes,
            max_batch_bytes=settings.max_batch_bytes,
            max_batch_events=settings.max_batch_events,
            max_in_flight=settings.max_in_flight,
            cors_origins=settings.cors_origins.split(",") if settings.cors_origins else (),
            admin_open=settings.admin_open,
            prefix=Prefix(settings.root_path, settings.trusted_proxies),
        )
        limits = Limits(
            connections=ConnectionLimit(affordable_connections(settings.max_connections)),
            keep_alive=settings.keep_alive_seconds,
            content_idle=settings.body_silence_seconds,
            content_total=settings.body_timeout_seconds,
        )
        # Long enough for a response to every request that waits for an acknowledgement; a body gets no more time.
        drain = settings.publish_timeout_seconds + 1
        with listen(settings.host, settings.port, "PORT") as listener:
            serving = partial(serve, app, listener, drain=drain, limits=limits)
            await run_together(stop, self.preparation.run, serving, self.readiness.watch)
