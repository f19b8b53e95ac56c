"""Clients: brokers at new addresses (KIP-899), and a connection of its own for offset requests.

- The client asks only brokers that it knows for metadata. When all of them have moved, it never finds them again,
  although the bootstrap addresses lead there. Upstream: aiokafka 459 (open) and 456 (closed).
- A request for offsets waits behind a fetch on the same connection, and for as long as a quota throttles the fetch.
  Upstream: no issue found.
"""

import asyncio
from contextlib import suppress
from typing import Any

import aiokafka.admin.client
import aiokafka.consumer.consumer
import aiokafka.producer.producer
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import KafkaError
from aiokafka.protocol.offset import OffsetRequest

_PAUSE_SECONDS = 1.0
"""Between two tries, since in an outage the client asks for metadata many times a second."""
_REQUESTS = 2
"""For how many time-outs of a request the known brokers are asked; addresses that are silent would take one each."""
_OFFSETS = "offsets"
"""The group of the connections on which offsets are asked for."""


def patch_clients() -> None:
    """Make every producer, consumer and admin client of this process use `_Client`."""
    for module in (aiokafka.admin.client, aiokafka.consumer.consumer, aiokafka.producer.producer):
        module.AIOKafkaClient = _Client


class _Client(AIOKafkaClient):  # type: ignore[misc]  # aiokafka publishes no types
    """Bootstraps again when none of the known brokers returns metadata."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._options = options
        self._bootstrapped_at = float("-inf")

    async def send(self, node_id: Any, request: Any, **options: Any) -> Any:
        if isinstance(request, OffsetRequest):
            options["group"] = _OFFSETS
        return await super().send(node_id, request, **options)

    async def _metadata_update(self, cluster: ClusterMetadata, topics: Any) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(_REQUESTS * self._request_timeout_ms / 1000):
                if await super()._metadata_update(cluster, topics):
                    return True
        now = self._loop.time()
        if now - self._bootstrapped_at < _PAUSE_SECONDS:
            return False
        self._bootstrapped_at = now
        # A client of its own, since bootstrapping forgets all topics, on which a member would join its group again.
        guide = AIOKafkaClient(**self._options)
        try:
            await guide.bootstrap()
            return bool(await guide._metadata_update(cluster, topics))
        except KafkaError:
            return False
        finally:
            await guide.close()
