"""Parts that are opened before their use, or closed after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

_GOODBYE_SECONDS = 1.0
"""How long sessions of the database may take to close, for which the driver would wait as long as for a batch."""


class _Closable(Protocol):
    async def close(self) -> None: ...


class _Openable(_Closable, Protocol):
    async def open(self) -> None: ...


_OpenableT = TypeVar("_OpenableT", bound=_Openable)
_ClosableT = TypeVar("_ClosableT", bound=_Closable)


@asynccontextmanager
async def opened(part: _OpenableT) -> AsyncIterator[_OpenableT]:
    """Open `part`, and close it in the end."""
    try:
        await part.open()
        yield part
    finally:
        await part.close()


@asynccontextmanager
async def closed(part: _ClosableT) -> AsyncIterator[_ClosableT]:
    """Close in the end a part that opens by itself."""
    try:
        yield part
    finally:
        await part.close()


@asynccontextmanager
async def disposed(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """Give up the connections of `engine` in the end."""
    try:
        yield engine
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await engine.dispose()
