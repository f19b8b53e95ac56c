"""An HTTP server within our own lifecycle."""

import asyncio
import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOL_SOCKET, socket

import uvicorn
from litestar.types import ASGIApp

from entrypoints.http.headers import ON_EVERY_ANSWER
from entrypoints.http.server.bounded_protocol import BoundedProtocol

logger = logging.getLogger(__name__)

_BACKLOG = 2048
KEEP_ALIVE_SECONDS = 5
"""How long a connection may be idle between requests."""


class CannotListen(Exception):
    """The port is taken, or the address is none of this machine; the message names the variable to change."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process: uvicorn would take a second SIGINT as leave to drop requests."""
        yield


async def serve(app: ASGIApp, listener: socket, stop: asyncio.Event, *, drain: float) -> None:
    """Serve `app` until `stop`; then accept nothing new and let requests end within `drain` seconds."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=[(name.decode(), value.decode()) for name, value in ON_EVERY_ANSWER],
        # Nothing here asks where a request came from.
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(drain)),
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving


def listen(host: str, port: int, variable: str) -> socket:
    """Claim a port, whose number `variable` gives, before anything else is started; raises `CannotListen`."""
    listener = socket(AF_INET6 if ":" in host else AF_INET)
    listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    # A host's name that cannot even be looked up is an error of its encoding.
    except (OSError, UnicodeError) as error:
        listener.close()
        raise CannotListen(_explain(error, host, port, variable)) from None
    listener.setblocking(False)
    return listener


def _explain(error: OSError | UnicodeError, host: str, port: int, variable: str) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken by another program: set {variable} to a free one"
    reason = error.strerror if isinstance(error, OSError) else error
    return f"cannot listen on {host}:{port}: {reason}: check HOST and {variable}"
