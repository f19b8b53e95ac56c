"""The operations that tell of the service itself: its health and its documentation."""

from entrypoints.http.openapi.answers import answer, header, refusals
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
            answer("It is", {JSON: ref("Liveness")}),
            answer("It hangs (DOWN), or the server is busy", {JSON: ref("Liveness"), MEDIA_TYPE: ref("Problem")}),
        ),
    }


def ready() -> Schema:
    """Describe `GET /health/ready`."""
    return {
        "tags": ["health"],
        "operationId": "ready",
        "summary": "Is the process ready for work, and its parts?",
        "responses": _with_health(
            answer("It is, in full (UP) or in part (DEGRADED)", {JSON: ref("Readiness")}),
            answer("It is not (DOWN), or the server is busy", {JSON: ref("Readiness"), MEDIA_TYPE: ref("Problem")}),
        ),
    }


def get_root() -> Schema:
    """Describe `GET /`."""
    policy = {"content-security-policy": header("string", "What the page may load", "default-src 'none'")}
    vary = header("string", "What the answer depends on", "Accept")
    links = answer("Links", {JSON: {"type": "object"}, HTML: {"type": "string"}}, vary=vary, **policy)
    return {
        "tags": ["documentation"],
        "operationId": "getRoot",
        "summary": "Find what the service offers",
        "responses": {"200": links, **refusals()},
    }


def get_document() -> Schema:
    """Describe `GET /docs/openapi.json`."""
    return {
        "tags": ["documentation"],
        "operationId": "getDocument",
        "summary": "Read this document",
        "responses": {"200": answer("OpenAPI 3.1", {JSON: {"type": "object"}}), **refusals()},
    }


def get_docs() -> Schema:
    """Describe `GET /docs`."""
    policy = header("string", "What the page may load: its own style", "default-src 'none'; style-src 'sha256-…'")
    return {
        "tags": ["documentation"],
        "operationId": "getDocs",
        "summary": "Read this document as a page",
        "responses": {
            "200": answer("HTML", {"text/html": {"type": "string"}}, **{"content-security-policy": policy}),
            **refusals(),
        },
    }


def _with_health(up: Schema, down: Schema) -> Schema:
    return {"200": up, **refusals(), "503": down}
