"""What is overridden or relied upon in uvicorn and httptools, checked against what is installed."""

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import version

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from entrypoints.config.errors import CannotRun

VERSIONS = {"uvicorn": "0.54.", "httptools": "0.9."}
"""Versions begin so, as `pyproject.toml` bounds them."""

METHODS: Mapping[Callable[..., object], tuple[str, ...]] = {
    HttpToolsProtocol.connection_made: ("self", "transport"),
    HttpToolsProtocol.connection_lost: ("self", "exc"),
    HttpToolsProtocol.data_received: ("self", "data"),
    HttpToolsProtocol.eof_received: ("self",),
    HttpToolsProtocol.on_response_complete: ("self",),
    HttpToolsProtocol.shutdown: ("self",),
    HttpToolsProtocol._start_asgi_task: ("self", "cycle", "app"),  # noqa: SLF001 - used by the protocol over it
    RequestResponseCycle.__init__: (
        *("self", "scope", "transport", "flow", "logger", "access_logger", "access_log", "default_headers"),
        *("message_event", "expect_100_continue", "keep_alive", "on_response"),
    ),
    RequestResponseCycle.receive: ("self",),
    RequestResponseCycle.send: ("self", "message"),
    FlowControl.pause_reading: ("self",),
    FlowControl.resume_reading: ("self",),
}


class UnknownServer(CannotRun):
    """Another version of a library is installed than the one whose ways are corrected here; the message says which."""


def check_overrides() -> None:
    """Raise `UnknownServer` unless uvicorn and httptools are what this package was written for."""
    for name, known in VERSIONS.items():
        if not version(name).startswith(known):
            raise UnknownServer(f"{name} {version(name)} is installed, and {known}x is needed: install the locked one")
    for method, parameters in METHODS.items():
        if tuple(inspect.signature(method).parameters) != parameters:
            raise UnknownServer(f"{method.__qualname__} of uvicorn takes other parameters than {', '.join(parameters)}")
