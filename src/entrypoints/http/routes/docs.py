"""`GET /docs/openapi.json`, and `GET /docs`, which shows the same as a page."""

from functools import lru_cache
from http import HTTPStatus
from typing import Any

from litestar import Request, route
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from application.event_catalog import EventCatalog
from application.event_loop import in_thread
from entrypoints.http.openapi.document import document
from entrypoints.http.openapi.event_types import encode
from entrypoints.http.openapi.page import POLICY, page
from entrypoints.http.prefix import Prefix
from entrypoints.http.requests.parameters import no_parameters
from entrypoints.http.responses import HttpResponse


class Documentation:
    """The document and its page for one catalog of event types, each made when it is first asked for."""

    def __init__(self, catalog: EventCatalog) -> None:
        self._catalog = catalog
        self.json = lru_cache(maxsize=8)(self._json)
        """By the prefix."""
        self.page = lru_cache(maxsize=1)(self._page)

    def _json(self, prefix: bytes) -> bytes:
        return encode(document(prefix.decode(), self._catalog))

    def _page(self, prefix: bytes) -> bytes:
        return page(document(prefix.decode(), self._catalog)).encode()


@route("/docs/openapi.json", http_method=["GET", "HEAD"], guards=[no_parameters])
async def get_openapi(
    request: Request[Any, Any, Any], documentation: NamedDependency[Documentation], prefix: NamedDependency[Prefix]
) -> ASGIApp:
    """Serve the document."""
    return HttpResponse(HTTPStatus.OK, await in_thread(documentation.json, prefix(request.scope)))


@route("/docs", http_method=["GET", "HEAD"], guards=[no_parameters])
async def get_docs(documentation: NamedDependency[Documentation]) -> ASGIApp:
    """Serve the page."""
    headers = [(b"content-security-policy", POLICY.encode())]
    # The page names no server.
    return HttpResponse(HTTPStatus.OK, await in_thread(documentation.page, b""), headers, "text/html; charset=utf-8")
