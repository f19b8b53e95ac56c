"""The OpenAPI document, written by hand: the routes read and send bytes, which a generator cannot describe.

The tests validate every response against it.
"""

from application.event_catalog import LEGACY_CATALOG, EventCatalog
from entrypoints.config.program import release
from entrypoints.http.openapi.dead_letter_paths import DEAD_LETTER_PATHS
from entrypoints.http.openapi.event_paths import READING_PATHS, TYPE_PATHS, publishing_paths
from entrypoints.http.openapi.event_types import examples, schemas_of
from entrypoints.http.openapi.responses import ERROR_RESPONSES, HEADERS
from entrypoints.http.openapi.schemas import Schema
from entrypoints.http.openapi.service_paths import SERVICE_PATHS


def document(prefix: str = "", catalog: EventCatalog = LEGACY_CATALOG) -> Schema:
    """Make the OpenAPI 3.1 document for clients that reach the service under `prefix`.

    Numbers in the schemas of `catalog` that are not integral are `Decimal`.
    """
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
            {"name": "dead letters", "description": "Look into failed events, mend and replay them"},
            {"name": "health", "description": "For operators"},
            {"name": "documentation", "description": "Descriptions of the API"},
        ],
        "paths": {
            **publishing_paths(examples(catalog)),
            **READING_PATHS,
            **TYPE_PATHS,
            **DEAD_LETTER_PATHS,
            **SERVICE_PATHS,
        },
        "components": {"schemas": schemas_of(catalog), "responses": ERROR_RESPONSES, "headers": HEADERS},
    }
