"""The OpenAPI document, written by hand: the routes read and send bytes, which a generator cannot describe.

The tests validate every response against it.
"""

from entrypoints.config.program import release
from entrypoints.http.openapi import event_operations, service_operations
from entrypoints.http.openapi.responses import (
    ERROR_RESPONSES,
    HEADERS,
    error_responses,
    header,
    response,
    without_content,
)
from entrypoints.http.openapi.schemas import SCHEMAS, Schema


def document(prefix: str = "") -> Schema:
    """Make the OpenAPI 3.1 document for clients that reach the service under `prefix`."""
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
            {"name": "health", "description": "For operators"},
            {"name": "documentation", "description": "Descriptions of the API"},
        ],
        "paths": {
            "/events/generate": _every_method(event_operations.generate_event(), "post"),
            "/events/batch": _every_method(event_operations.publish_batch(), "post"),
            "/events/processed": _every_method(event_operations.list_events(), "get"),
            "/events/{id}": _every_method(event_operations.get_event(), "get"),
            "/health": _every_method(service_operations.alive(), "get"),
            "/health/ready": _every_method(service_operations.ready(), "get"),
            "/": _every_method(service_operations.get_root(), "get"),
            "/docs": _every_method(service_operations.get_docs(), "get"),
            "/docs/openapi.json": _every_method(service_operations.get_document(), "get"),
        },
        "components": {"schemas": SCHEMAS, "responses": ERROR_RESPONSES, "headers": HEADERS},
    }


def _every_method(get_or_post: Schema, method: str) -> Schema:
    """Make a path item: GET with HEAD, or POST, and OPTIONS."""
    item = {method: get_or_post, "options": _options(get_or_post)}
    return {**item, "head": _head(get_or_post)} if method == "get" else item


def _head(get: Schema) -> Schema:
    return {
        **get,
        "operationId": f"{get['operationId']}Head",
        "summary": f"{get['summary']}: the headers only",
        "responses": {status: without_content(described) for status, described in get["responses"].items()},
    }


def _options(operation: Schema) -> Schema:
    allow = header("string", "The methods that the path supports", "GET, HEAD, OPTIONS")
    # OPTIONS does not validate the id.
    parameters = [
        {**parameter, "schema": {"type": "string"}}
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path"
    ]
    statuses = [404] if parameters else []
    return {
        "tags": operation["tags"],
        "operationId": f"{operation['operationId']}Options",
        "summary": "Which methods does the path support?",
        **({"parameters": parameters} if parameters else {}),
        "responses": {"204": response("`Allow` names them", allow=allow), **error_responses(*statuses)},
    }
