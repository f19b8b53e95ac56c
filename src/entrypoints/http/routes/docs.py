"""`GET /docs/openapi.json`, and `GET /docs`, which shows the same as a page."""

from functools import cache, lru_cache
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from entrypoints.http.openapi.document import document
from entrypoints.http.openapi.page import POLICY, page
from entrypoints.http.prefix import Prefix
from entrypoints.http.requests.parameters import no_parameters
from entrypoints.http.responses import HttpResponse


@route("/docs/openapi.json", http_method=["GET", "HEAD"], guards=[no_parameters])
async def get_openapi(request: Request[Any, Any, Any], prefix: NamedDependency[Prefix]) -> ASGIApp:
    """Serve the document."""
    return HttpResponse(HTTPStatus.OK, _document(prefix(request.scope)))


@route("/docs", http_method=["GET", "HEAD"], guards=[no_parameters])
async def get_docs() -> ASGIApp:
    """Serve the page."""
    headers = [(b"content-security-policy", POLICY.encode())]
    return HttpResponse(HTTPStatus.OK, _page(), headers, "text/html; charset=utf-8")


@lru_cache(maxsize=8)
def _document(prefix: bytes) -> bytes:
    return msgspec.json.encode(document(prefix.decode()))


@cache
def _page() -> bytes:
    return page(document()).encode()
