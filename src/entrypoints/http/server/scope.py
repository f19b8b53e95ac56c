"""A request's head as ASGI has it."""

from urllib.parse import unquote

from uvicorn._types import ASGIVersions, HTTPScope

from entrypoints.http.server.request_reader import Head

_ASGI: ASGIVersions = {"version": "3.0", "spec_version": "2.3"}


def scope_of(head: Head, server: tuple[str, int | None] | None, client: tuple[str, int] | None) -> HTTPScope:
    """Make the scope of a request by `client` to `server`."""
    path = head.path.decode()
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": head.version,
        "server": server,
        "client": client,
        "scheme": "http",
        "method": head.method,
        "root_path": "",
        "path": unquote(path) if "%" in path else path,
        "raw_path": head.path,
        "query_string": head.query,
        "headers": head.fields,
        "state": {},
    }
