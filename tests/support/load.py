"""Clients that post events all the time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import httpx

from tests.support.service import Service
from tests.support.waiting import eventually

_CLIENTS = 4
_USERS = 20
_PAUSE_SECONDS = 0.01


class Load:
    """What has become of the posted events: those in `accepted` were answered with 201."""

    def __init__(self) -> None:
        self.accepted: set[UUID] = set()
        self.unknown: set[UUID] = set()
        """No response, or one that leaves the outcome open."""

    async def more(self, count: int) -> None:
        """Return when `count` more were accepted."""
        wanted = len(self.accepted) + count

        async def have_come() -> bool:
            return len(self.accepted) >= wanted

        await eventually(have_come, f"{count} more events accepted")

    async def _post_on(self, client: httpx.AsyncClient) -> None:
        while True:
            event_id = uuid4()
            event = {"eventId": str(event_id), "userId": f"user-{event_id.int % _USERS}", "eventType": "LOGIN"}
            self.unknown.add(event_id)
            try:
                answer = await client.post("/events/generate", json=event)
            except httpx.TransportError:
                pass
            else:
                assert answer.status_code in {201, 503}
                if answer.status_code == 201:
                    self.unknown.remove(event_id)
                    self.accepted.add(event_id)
            await asyncio.sleep(_PAUSE_SECONDS)


@asynccontextmanager
async def load(api: Service) -> AsyncIterator[Load]:
    """Post side by side for as long as the context lasts."""
    made = Load()
    clients = [asyncio.create_task(made._post_on(api.client)) for _ in range(_CLIENTS)]
    try:
        yield made
    finally:
        for client in clients:
            client.cancel()
        for outcome in await asyncio.gather(*clients, return_exceptions=True):
            assert isinstance(outcome, asyncio.CancelledError), outcome
