"""Quotas of a broker for one client id, which aiokafka has no requests for."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

_ALTER_CLIENT_QUOTAS = 49


@asynccontextmanager
async def quotas(bootstrap: str, client_id: str, **rates: float) -> AsyncIterator[None]:
    """Set quotas, such as `consumer_byte_rate`, and remove them in the end."""
    await _alter(bootstrap, client_id, rates, remove=False)
    try:
        yield
    finally:
        await _alter(bootstrap, client_id, rates, remove=True)


async def _alter(bootstrap: str, client_id: str, rates: Mapping[str, float], *, remove: bool) -> None:
    host, _, port = bootstrap.split(",", maxsplit=1)[0].rpartition(":")
    header = struct.pack(">hhih", _ALTER_CLIENT_QUOTAS, 0, 0, -1)
    entity = struct.pack(">ii", 1, 1) + _text("client-id") + _text(client_id)
    changes = b"".join(_text(name) + struct.pack(">d?", rate, remove) for name, rate in rates.items())
    request = header + entity + struct.pack(">i", len(rates)) + changes + b"\0"
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        response = await reader.readexactly(size)
    finally:
        writer.close()
        await writer.wait_closed()
    # Correlation id, throttle time, number of entries; of the only one first its error.
    assert struct.unpack_from(">iiih", response)[2:] == (1, 0), response


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(">h", len(encoded)) + encoded
