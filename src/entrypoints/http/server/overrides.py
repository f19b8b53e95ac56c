"""The methods of uvicorn that this package overrides or calls, and why; checked against the installed versions."""

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import version

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from entrypoints.config.errors import CannotRun

VERSIONS = {"uvicorn": "0.54.", "httptools": "0.9."}
"""Prefixes of the supported versions, the same as the bounds in `pyproject.toml`."""

METHODS: Mapping[Callable[..., object], tuple[str, ...]] = {
    # The number of connections is limited.
    HttpToolsProtocol.connection_made: ("self", "transport"),
    # Pipelined requests end with their connection.
    HttpToolsProtocol.connection_lost: ("self", "exc"),
    # `RequestParser` parses requests (RFC 9112, sections 2 to 7). It limits the bytes outside content, and reads
    # content after an Upgrade offer (RFC 9110, section 7.8; uvicorn issue 2722). Pipelined requests are limited.
    HttpToolsProtocol.data_received: ("self", "data"),
    # A client that closes its sending side still gets its responses (RFC 9112, section 9.6; issue 1264).
    HttpToolsProtocol.eof_received: ("self",),
    # Content behind an early response is discarded for a limited time (RFC 9112, section 9.6).
    HttpToolsProtocol.on_response_complete: ("self",),
    # Buffered response bytes are sent first.
    HttpToolsProtocol.shutdown: ("self",),
    HttpToolsProtocol._start_asgi_task: ("self", "cycle", "app"),  # noqa: SLF001 - called by `HardenedProtocol`
    RequestResponseCycle.__init__: (
        *("self", "scope", "transport", "flow", "logger", "access_logger", "access_log", "default_headers"),
        *("message_event", "expect_100_continue", "keep_alive", "on_response"),
    ),
    # `100 Continue` is sent only if the application reads content that has not arrived (RFC 9110, section 10.1.1).
    RequestResponseCycle.receive: ("self",),
    # HTTP/1.0 gets no chunked coding (RFC 9112, section 6.1). A response is one write where possible.
    RequestResponseCycle.send: ("self", "message"),
    # The protocol can block reading until the pipeline has room.
    FlowControl.pause_reading: ("self",),
    FlowControl.resume_reading: ("self",),
}


class UnsupportedServer(CannotRun):
    """An installed library is not the version that this package was written for; the message names it."""


def check_overrides() -> None:
    """Raise `UnsupportedServer` unless uvicorn and httptools are the versions that this package was written for."""
    for name, known in VERSIONS.items():
        if not version(name).startswith(known):
            raise UnsupportedServer(
                f"{name} {version(name)} is installed, and {known}x is needed: install the locked one"
            )
    for method, parameters in METHODS.items():
        if tuple(inspect.signature(method).parameters) != parameters:
            raise UnsupportedServer(
                f"{method.__qualname__} of uvicorn takes other parameters than {', '.join(parameters)}"
            )
