"""`GET /`: links to all that the service offers."""

from collections.abc import Mapping
from functools import cache
from html import escape
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, route
from litestar.types import ASGIApp

from entrypoints.config.program import release
from entrypoints.http.requests.accept import all_values, negotiate
from entrypoints.http.requests.parameters import no_parameters
from entrypoints.http.responses import JSON, HttpResponse

HTML = "text/html"

# Relative links work behind any prefix.
_LINKS: Final[Mapping[str, str]] = {
    "documentation": "docs",
    "openapi": "docs/openapi.json",
    "events": "events/processed",
    "eventTypes": "event-types",
    "deadLetters": "dead-letters",
    "health": "health",
    "readiness": "health/ready",
}
_HEADERS = ((b"vary", b"Accept"), (b"content-security-policy", b"default-src 'none'"))


@route("/", http_method=["GET", "HEAD"], guards=[no_parameters])
async def get_root(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return the name, version and links of the service, as JSON or HTML."""
    if negotiate(all_values(request, "accept"), (JSON, HTML)) == HTML:
        return HttpResponse(HTTPStatus.OK, _page(), _HEADERS, f"{HTML}; charset=utf-8")
    return HttpResponse(HTTPStatus.OK, _object(), _HEADERS)


@cache
def _object() -> bytes:
    return msgspec.json.encode({"service": "user-events", "version": release(), "links": _LINKS})


@cache
def _page() -> bytes:
    links = "".join(f'<li><a href="{path}">{name}</a>\n' for name, path in _LINKS.items())
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>user-events</title>\n'
        f"<h1>user-events {escape(release())}</h1>\n<ul>\n{links}</ul>\n"
    ).encode()
