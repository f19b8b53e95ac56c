"""Runs uvicorn with `HardenedProtocol` until the process stops."""

import asyncio
import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOL_SOCKET, socket

import uvicorn
from litestar.types import ASGIApp

from entrypoints.config.errors import CannotRun
from entrypoints.http.headers import COMMON_HEADERS
from entrypoints.http.server.hardened_protocol import HardenedProtocol
from entrypoints.http.server.limits import Limits, ServerConfig
from entrypoints.http.server.overrides import check_overrides

logger = logging.getLogger(__name__)

_BACKLOG = 2048
CHECK_SECONDS = 1.0
"""How often the deadlines of connections are checked."""


class CannotListen(CannotRun):
    """The port is in use, or the address is not local; the message names the variable to change."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process: on a second SIGINT uvicorn would drop open requests."""
        yield


async def serve(app: ASGIApp, listener: socket, stop: asyncio.Event, *, drain: float, limits: Limits) -> None:
    """Serve `app` until `stop`; then accept no connections and give open requests `drain` seconds to end.

    Raises `UnsupportedServer`.
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
        headers=[(name.decode(), value.decode()) for name, value in COMMON_HEADERS],
        # No part of the service uses the client address that a proxy states.
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=limits.keep_alive,
        timeout_graceful_shutdown=max(1, round(drain)),
        # A request must not inherit the context variables of the request before it on its connection.
        reset_contextvars=True,
    )
    config.limits = limits
    # The client must stop using the connection before the server closes it, or its next request is lost.
    timeout = limits.keep_alive - 1
    config.keep_alive_headers = ((b"connection", b"keep-alive"), (b"keep-alive", b"timeout=%d" % timeout))
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    checking = asyncio.create_task(_check_deadlines(server))
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving
    checking.cancel()


async def _check_deadlines(server: uvicorn.Server) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        for connection in [*server.server_state.connections]:
            if isinstance(connection, HardenedProtocol):
                try:
                    connection.check_deadline(clock())
                except Exception:
                    # The other connections still need their checks.
                    logger.exception("connection deadline check failed")


def listen(host: str, port: int, variable: str) -> socket:
    """Bind and listen before anything else starts; `variable` names the setting of the port. Raises `CannotListen`."""
    listener = socket(AF_INET6 if ":" in host else AF_INET)
    listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    # A host name that cannot be encoded for a lookup raises `UnicodeError`.
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
