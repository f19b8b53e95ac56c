"""Resources that are opened before their use and closed after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

_DISPOSE_SECONDS = 1.0
"""How long database sessions may take to close; the driver itself would wait as long as for a batch."""


class _Closable(Protocol):
    async def close(self) -> None: ...


class _Openable(_Closable, Protocol):
    async def open(self) -> None: ...


_OpenableT = TypeVar("_OpenableT", bound=_Openable)
_ClosableT = TypeVar("_ClosableT", bound=_Closable)


@asynccontextmanager
async def opened(resource: _OpenableT) -> AsyncIterator[_OpenableT]:
    """Open `resource`, and close it in the end."""
    try:
        await resource.open()
        yield resource
    finally:
        await resource.close()


@asynccontextmanager
async def closed(resource: _ClosableT) -> AsyncIterator[_ClosableT]:
    """Close `resource`, which opens itself at its first use, in the end."""
    try:
        yield resource
    finally:
        await resource.close()


@asynccontextmanager
async def disposed(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """Close the connections of `engine` in the end."""
    try:
        yield engine
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISPOSE_SECONDS):
                await engine.dispose()
