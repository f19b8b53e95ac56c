"""Connects a client, replaces it on request, and drains the one before in the background."""

import asyncio
import logging
from collections.abc import Callable
from contextvars import copy_context

from adapters.kafka.producer.client import ProducerClient
from domain.errors import Unavailable

logger = logging.getLogger(__name__)

_REPLACE_PAUSE_SECONDS = 10.0
_CONNECT_PAUSE_SECONDS = 1.0
NOT_CONNECTED = "kafka: producer: not connected yet"
BATCH_BYTES = 65_536
"""Of the first client. A partition has one batch on its way at a time, so small batches would make records wait."""


class ClientReplacement:
    """The current client, and earlier ones that are not drained yet."""

    def __init__(self, make_client: Callable[[int], ProducerClient], drain_limit: float) -> None:
        """`make_client` takes the size of batches in bytes; draining a client takes `drain_limit` seconds at most."""
        self.current: ProducerClient | None = None
        self.batch_bytes = BATCH_BYTES
        """Of the next client. It shrinks when a topic refuses a batch, for all topics and until the process ends."""
        self.topics: set[str] = set()
        """The next client fetches their metadata before it takes over."""
        self.error = NOT_CONNECTED
        """Why a client could not be connected, or has to be replaced; empty after a success."""
        self._make_client = make_client
        self._drain_limit = drain_limit
        self._retired: set[asyncio.Task[int]] = set()
        self._replacing: asyncio.Task[None] | None = None
        self._replaced_at = float("-inf")
        self._context = copy_context()

    def replace(self) -> asyncio.Task[None]:
        """Start to replace the current client, if any, in a task; a call while that runs changes nothing."""
        if self._replacing is None or self._replacing.done():
            # Not in the context of a request: its id would appear in the log lines.
            self._replacing = asyncio.create_task(self._replace(self.current), context=self._context)
        return self._replacing

    async def close(self) -> int:
        """Drain all clients; return how many records were not acknowledged within the limit."""
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.wait([self._replacing])
        if self.current is not None:
            self._retire(self.current)
            self.current = None
        return sum(await asyncio.gather(*self._retired))

    async def _replace(self, old: ProducerClient | None) -> None:
        """Connect a new client, which takes over from `old`; then drain `old`."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._replaced_at + _REPLACE_PAUSE_SECONDS - loop.time()))
        while (new := await self._connect()) is None:
            await asyncio.sleep(_CONNECT_PAUSE_SECONDS)
        self.current, self._replaced_at, self.error = new, loop.time(), ""
        if old is not None:
            logger.warning("the producer was replaced")
            self._retire(old)

    async def _connect(self) -> ProducerClient | None:
        client = self._make_client(self.batch_bytes)
        try:
            await client.start(self.topics)
        except Unavailable as unavailable:
            self.error = str(unavailable)
            self._retire(client)
            return None
        except BaseException:
            self._retire(client)
            raise
        return client

    def _retire(self, client: ProducerClient) -> None:
        """Drain `client` in the background."""
        draining = asyncio.create_task(client.stop(self._drain_limit))
        self._retired.add(draining)
        draining.add_done_callback(self._retired.discard)
