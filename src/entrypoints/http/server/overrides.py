"""The methods of uvicorn that this package overrides or calls, checked against the installed versions."""

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import version

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from entrypoints.config.errors import CannotRun

VERSIONS = {"uvicorn": "0.54.", "httptools": "0.9."}
"""Prefixes of the supported versions, the same as the bounds in `pyproject.toml`."""

METHODS: Mapping[Callable[..., object], tuple[str, ...]] = {
    HttpToolsProtocol.connection_made: ("self", "transport"),
    HttpToolsProtocol.connection_lost: ("self", "exc"),
    HttpToolsProtocol.data_received: ("self", "data"),
    HttpToolsProtocol.eof_received: ("self",),
    HttpToolsProtocol.on_response_complete: ("self",),
    HttpToolsProtocol.shutdown: ("self",),
    HttpToolsProtocol._start_asgi_task: ("self", "cycle", "app"),  # noqa: SLF001 - called by `HardenedProtocol`
    RequestResponseCycle.__init__: (
        *("self", "scope", "transport", "flow", "logger", "access_logger", "access_log", "default_headers"),
        *("message_event", "expect_100_continue", "keep_alive", "on_response"),
    ),
    RequestResponseCycle.receive: ("self",),
    RequestResponseCycle.send: ("self", "message"),
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
