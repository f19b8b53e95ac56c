"""The OpenAPI document, written by hand: the routes read bytes and send bytes, of which a generator could tell nothing.

The tests hold every answer they get against it.
"""

from functools import lru_cache
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from entrypoints.http.prefix import Prefix
from entrypoints.http.requests.parameters import no_parameters
from entrypoints.http.responses import Reply
from entrypoints.http.routes import operations
from entrypoints.http.routes.answers import HEADERS, REFUSALS
from entrypoints.http.routes.schemas import SCHEMAS, Schema
from entrypoints.release import release


@route("/docs/openapi.json", http_method=["GET", "HEAD"], guards=[no_parameters])
async def get_openapi(request: Request[Any, Any, Any], prefix: NamedDependency[Prefix]) -> ASGIApp:
    """Serve the document."""
    return Reply(HTTPStatus.OK, _rendered(prefix(request.scope)))


@lru_cache(maxsize=8)
def _rendered(prefix: bytes) -> bytes:
    return msgspec.json.encode(document(prefix.decode()))


def document(prefix: str = "") -> Schema:
    """Make the OpenAPI 3.1 document for clients that find the service below the path `prefix`."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "User Activity Events",
            "version": release(),
            "description": "User activity events: published to a log, each stored exactly once.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": prefix or "/"}],
        "security": [],
        "tags": [
            {"name": "events", "description": "Publish and read events"},
            {"name": "health", "description": "For whoever runs the service"},
            {"name": "documentation", "description": "What the service offers"},
        ],
        "paths": {
            "/events/generate": operations.every_method(operations.generate_event(), "post"),
            "/events/batch": operations.every_method(operations.publish_batch(), "post"),
            "/events/processed": operations.every_method(operations.list_events(), "get"),
            "/events/{id}": operations.every_method(operations.get_event(), "get"),
            "/health": operations.every_method(operations.alive(), "get"),
            "/health/ready": operations.every_method(operations.ready(), "get"),
            "/": operations.every_method(operations.get_root(), "get"),
            "/docs": operations.every_method(operations.get_docs(), "get"),
            "/docs/openapi.json": operations.every_method(operations.get_document(), "get"),
        },
        "components": {"schemas": SCHEMAS, "responses": REFUSALS, "headers": HEADERS},
    }
