"""Resources that are closed after their use."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import ParamSpec, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.kafka.producer import Producer

logger = logging.getLogger(__name__)

_CLOSING_SECONDS = 9.0
"""How long all resources together may take to close."""
_DISPOSE_SECONDS = 1.0
"""How long database sessions may take to close; the driver itself would wait as long as for a batch."""


class _Closable(Protocol):
    async def close(self) -> None: ...


_P = ParamSpec("_P")
_ClosableT = TypeVar("_ClosableT", bound=_Closable)


@asynccontextmanager
async def opened(make: Callable[_P, Producer], *args: _P.args, **kwargs: _P.kwargs) -> AsyncIterator[Producer]:
    """Make a producer and open it; close it in the end."""
    async with closed(make, *args, **kwargs) as producer:
        await producer.open()
        yield producer


@asynccontextmanager
async def closed(make: Callable[_P, _ClosableT], *args: _P.args, **kwargs: _P.kwargs) -> AsyncIterator[_ClosableT]:
    """Make a resource that opens itself at its first use; close it in the end."""
    resource = make(*args, **kwargs)
    try:
        yield resource
    finally:
        await resource.close()


@asynccontextmanager
async def disposed(make: Callable[_P, AsyncEngine], *args: _P.args, **kwargs: _P.kwargs) -> AsyncIterator[AsyncEngine]:
    """Make an engine; close its connections in the end."""
    engine = make(*args, **kwargs)
    try:
        yield engine
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISPOSE_SECONDS):
                await engine.dispose()


async def finish_closing(closing: Awaitable[None]) -> None:
    """Await the closing of all resources of a process, but not for ever."""
    try:
        async with asyncio.timeout(_CLOSING_SECONDS):
            await closing
    except TimeoutError:
        logger.warning("close timed out", extra={"seconds": _CLOSING_SECONDS})
