"""Outages on demand."""

import asyncio


class Outage:
    """Base of the adapters here: fails while `outage` is set."""

    outage: Exception | None = None

    async def _reach(self) -> None:
        """Stand for the I/O of a real adapter: other tasks get their turn, and an outage shows."""
        await asyncio.sleep(0)
        if self.outage is not None:
            raise self.outage
