"""One client at a time, which connects by itself and is replaced on demand; the client before is drained meanwhile."""

import asyncio
import logging
from collections.abc import Callable
from contextvars import copy_context

from adapters.kafka.producer.client import ProducerClient
from domain.errors import Unavailable

logger = logging.getLogger(__name__)

_RENEWAL_PAUSE_SECONDS = 10.0
_CONNECT_PAUSE_SECONDS = 1.0
NOT_CONNECTED = "kafka: producer: not connected yet"
BATCH_BYTES = 65_536
"""Of the first client. A partition has one batch on its way at a time, so that small ones keep the others waiting."""


class ClientReplacement:
    """The present client, and those before it that are not drained yet."""

    def __init__(self, make_client: Callable[[int], ProducerClient], drain_limit: float) -> None:
        """Make clients by the size of their batches in bytes; drain each for `drain_limit` seconds at most."""
        self.current: ProducerClient | None = None
        self.batch_bytes = BATCH_BYTES
        """Of the next client: less once a topic has refused a batch, for all topics and until the process ends."""
        self.topics: set[str] = set()
        """Those that are sent to, which the next client is to know before it takes over."""
        self.trouble = NOT_CONNECTED
        """Why there is no new client; empty where there is one."""
        self._make_client = make_client
        self._drain_limit = drain_limit
        self._retired: set[asyncio.Task[int]] = set()
        self._replacing: asyncio.Task[None] | None = None
        self._replaced_at = float("-inf")
        self._context = copy_context()

    def replace(self) -> asyncio.Task[None]:
        """Begin to put a new client in the place of the present one, if there is one; a second call changes nothing."""
        if self._replacing is None or self._replacing.done():
            # Not in the context of a request, whose id the log lines would have.
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
        """Put a connected client in the place of `old`, which serves until then and is drained afterwards."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._replaced_at + _RENEWAL_PAUSE_SECONDS - loop.time()))
        while (new := await self._connect()) is None:
            await asyncio.sleep(_CONNECT_PAUSE_SECONDS)
        self.current, self._replaced_at, self.trouble = new, loop.time(), ""
        if old is not None:
            logger.warning("the producer was replaced")
            self._retire(old)

    async def _connect(self) -> ProducerClient | None:
        client = self._make_client(self.batch_bytes)
        try:
            await client.start(self.topics)
        except Unavailable as unavailable:
            self.trouble = str(unavailable)
            self._retire(client)
            return None
        except BaseException:
            self._retire(client)
            raise
        return client

    def _retire(self, client: ProducerClient) -> None:
        """Drain `client` beside the work."""
        draining = asyncio.create_task(client.stop(self._drain_limit))
        self._retired.add(draining)
        draining.add_done_callback(self._retired.discard)
