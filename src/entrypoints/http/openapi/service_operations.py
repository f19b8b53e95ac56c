"""The operations for health and documentation."""

from entrypoints.http.openapi.responses import error_responses, header, response
from entrypoints.http.openapi.schemas import Schema, ref
from entrypoints.http.problems import MEDIA_TYPE
from entrypoints.http.responses import JSON
from entrypoints.http.routes.root import HTML


def alive() -> Schema:
    """Describe `GET /health`."""
    return {
        "tags": ["health"],
        "operationId": "alive",
        "summary": "Is the process alive?",
        "responses": _with_health(
            response("It is", {JSON: ref("Liveness")}),
            response("It hangs (DOWN), or the server is busy", {JSON: ref("Liveness"), MEDIA_TYPE: ref("Problem")}),
        ),
    }


def ready() -> Schema:
    """Describe `GET /health/ready`."""
    return {
        "tags": ["health"],
        "operationId": "ready",
        "summary": "Is the process ready for work, and its parts?",
        "responses": _with_health(
            response("It is, in full (UP) or in part (DEGRADED)", {JSON: ref("Readiness")}),
            response("It is not (DOWN), or the server is busy", {JSON: ref("Readiness"), MEDIA_TYPE: ref("Problem")}),
        ),
    }


def get_root() -> Schema:
    """Describe `GET /`."""
    policy = {"content-security-policy": header("string", "What the page may load", "default-src 'none'")}
    vary = header("string", "The request headers that select the response", "Accept")
    links = response("Links", {JSON: {"type": "object"}, HTML: {"type": "string"}}, vary=vary, **policy)
    return {
        "tags": ["documentation"],
        "operationId": "getRoot",
        "summary": "List the resources of the service",
        "responses": {"200": links, **error_responses()},
    }


def get_document() -> Schema:
    """Describe `GET /docs/openapi.json`."""
    return {
        "tags": ["documentation"],
        "operationId": "getDocument",
        "summary": "Read this document",
        "responses": {"200": response("OpenAPI 3.1", {JSON: {"type": "object"}}), **error_responses()},
    }


def get_docs() -> Schema:
    """Describe `GET /docs`."""
    policy = header("string", "What the page may load: its own style", "default-src 'none'; style-src 'sha256-…'")
    return {
        "tags": ["documentation"],
        "operationId": "getDocs",
        "summary": "Read this document as a page",
        "responses": {
            "200": response("HTML", {"text/html": {"type": "string"}}, **{"content-security-policy": policy}),
            **error_responses(),
        },
    }


def _with_health(up: Schema, down: Schema) -> Schema:
    return {"200": up, **error_responses(), "503": down}
