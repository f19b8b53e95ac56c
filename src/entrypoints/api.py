"""The api process: HTTP in, the log out."""

import asyncio

from application.list_processed import ListProcessed
from application.publish_event import PublishEvent
from entrypoints.health import Readiness
from entrypoints.lifecycle import Preparation, run_together
from entrypoints.rest.app import create_app
from entrypoints.server import listen, serve
from entrypoints.settings import Settings


class Api:
    """Everything that the api process runs."""

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
            body_timeout=settings.body_timeout_seconds,
            max_in_flight=settings.max_in_flight,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`. The server is up at once: events are taken while the database is still down."""
        await run_together(stop, self._preparation.run, self._serve, self._readiness.drain_on)

    async def _serve(self, stop: asyncio.Event) -> None:
        settings = self._settings
        listener = listen(settings.host, settings.port, "PORT")
        # The longest that an honest request takes: its body, then the log's acknowledgement.
        await serve(self._app, listener, stop, drain=settings.publish_timeout_seconds + 1)
