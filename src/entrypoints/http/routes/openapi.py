"""`GET /docs/openapi.json`."""

from functools import lru_cache
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from entrypoints.http.openapi.document import document
from entrypoints.http.prefix import Prefix
from entrypoints.http.requests.parameters import no_parameters
from entrypoints.http.responses import HttpResponse


@route("/docs/openapi.json", http_method=["GET", "HEAD"], guards=[no_parameters])
async def get_openapi(request: Request[Any, Any, Any], prefix: NamedDependency[Prefix]) -> ASGIApp:
    """Serve the document."""
    return HttpResponse(HTTPStatus.OK, _rendered(prefix(request.scope)))


@lru_cache(maxsize=8)
def _rendered(prefix: bytes) -> bytes:
    return msgspec.json.encode(document(prefix.decode()))
