"""One way through a proxy: from the clients to the server, or back."""

import asyncio
import math
from collections.abc import AsyncIterator


class Way:
    """How bytes travel in one direction of all connections of a proxy; conditions may change at any time."""

    def __init__(self) -> None:
        self.delay = 0.0
        """Seconds that each byte is in flight; throughput stays."""
        self.rate = math.inf
        """Bytes per second on each connection."""
        self.passed = 0
        """How many bytes came through."""
        self.withheld = 0
        """How many bytes arrived while nothing passed."""
        self.damage: tuple[bytes, bytes] | None = None
        """The last occurrence of the first, in the next chunk that has one, becomes the second, once."""
        self.damaged = 0
        """How many chunks were damaged."""
        self._flows = asyncio.Event()
        self._flows.set()

    def block(self) -> None:
        """Pass nothing on, as a network does that drops packets; what arrives is kept."""
        self._flows.clear()

    def heal(self) -> None:
        """Undo all conditions; as with TCP, nothing was lost meanwhile."""
        self.delay = 0.0
        self.rate = math.inf
        self.damage = None
        self._flows.set()

    async def carry(self, chunks: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> None:
        """Write what `chunks` yields, in time; return when they end."""
        under_way: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
        feed = asyncio.create_task(self._feed(chunks, under_way))
        try:
            while (entry := await under_way.get()) is not None:
                await self._deliver(*entry, writer)
        finally:
            feed.cancel()
            await asyncio.gather(feed, return_exceptions=True)

    async def _feed(self, chunks: AsyncIterator[bytes], under_way: asyncio.Queue[tuple[float, bytes] | None]) -> None:
        now = asyncio.get_running_loop().time
        try:
            async for chunk in chunks:
                if not self._flows.is_set():
                    self.withheld += len(chunk)
                under_way.put_nowait((now() + self.delay, self._damage(chunk)))
        finally:
            under_way.put_nowait(None)

    def _damage(self, chunk: bytes) -> bytes:
        if self.damage is None or self.damage[0] not in chunk:
            return chunk
        before, _, behind = chunk.rpartition(self.damage[0])
        chunk = before + self.damage[1] + behind
        self.damage = None
        self.damaged += 1
        return chunk

    async def _deliver(self, due: float, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        remaining = due - asyncio.get_running_loop().time()
        if remaining > 0:
            await asyncio.sleep(remaining)
        if self.rate < math.inf:
            await asyncio.sleep(len(chunk) / self.rate)
        await self._flows.wait()
        writer.write(chunk)
        await writer.drain()
        self.passed += len(chunk)
