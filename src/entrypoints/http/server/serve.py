"""An HTTP server within our own lifecycle."""

import asyncio
import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOL_SOCKET, socket

import uvicorn
from litestar.types import ASGIApp

from entrypoints.config.errors import CannotRun
from entrypoints.http.headers import ON_EVERY_ANSWER
from entrypoints.http.server.connections import Limits, ServerConfig
from entrypoints.http.server.hardened_protocol import HardenedProtocol
from entrypoints.http.server.header_lines import CommonLines
from entrypoints.http.server.overrides import check_overrides

logger = logging.getLogger(__name__)

_BACKLOG = 2048
CHECK_SECONDS = 1.0
"""How often the times of connections are checked."""


class CannotListen(CannotRun):
    """The port is taken, or the address is none of this machine; the message names the variable to change."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process: uvicorn would take a second SIGINT as leave to drop requests."""
        yield


async def serve(app: ASGIApp, listener: socket, stop: asyncio.Event, *, drain: float, limits: Limits) -> None:
    """Serve `app` until `stop`; then accept nothing new and let requests end within `drain` seconds.

    Raises `UnknownServer`.
    """
    check_overrides()
    config = ServerConfig(
        app,
        http=HardenedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=[(name.decode(), value.decode()) for name, value in ON_EVERY_ANSWER],
        # Nothing here asks where a request came from.
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=limits.keep_alive,
        timeout_graceful_shutdown=max(1, round(drain)),
        # A request must not inherit the context of the one before it on its connection.
        reset_contextvars=True,
    )
    config.limits = limits
    # The client has to give up the connection before the server does.
    config.announcement = b"connection: keep-alive\r\nkeep-alive: timeout=%d\r\n" % (limits.keep_alive - 1)
    config.common = CommonLines()
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    checking = asyncio.create_task(_check_times(server))
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving
    checking.cancel()


async def _check_times(server: uvicorn.Server) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        for connection in [*server.server_state.connections]:
            if isinstance(connection, HardenedProtocol):
                try:
                    connection.check_time(clock())
                except Exception:
                    # The times of the others are still to be kept.
                    logger.exception("the time of a connection could not be checked")


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
