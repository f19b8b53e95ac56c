"""The paths for health and documentation."""

from entrypoints.http.openapi.operations import get
from entrypoints.http.openapi.responses import header, response
from entrypoints.http.openapi.schemas import STRING, Schema, ref
from entrypoints.http.problems import MEDIA_TYPE
from entrypoints.http.responses import JSON
from entrypoints.http.routes.root import HTML

_POLICY = "content-security-policy"


def _health(schema: str, up: str, down: str) -> Schema:
    return {
        "200": response(up, {JSON: ref(schema)}),
        "503": response(f"{down} (DOWN), or the server is busy", {JSON: ref(schema), MEDIA_TYPE: ref("Problem")}),
    }


SERVICE_PATHS: Schema = {
    "/health": get(
        "health",
        "alive",
        "Is the process alive?",
        _health("Liveness", "It is", "It hangs"),
    ),
    "/health/ready": get(
        "health",
        "ready",
        "Is the process ready for work, and its parts?",
        _health("Readiness", "It is, in full (UP) or in part (DEGRADED)", "It is not"),
    ),
    "/": get(
        "documentation",
        "getRoot",
        "List the resources of the service",
        {
            "200": response(
                "Links",
                {JSON: {"type": "object"}, HTML: STRING},
                {
                    "vary": header("The request headers that select the response", "Accept"),
                    _POLICY: header("What the page may load", "default-src 'none'"),
                },
            )
        },
    ),
    "/docs": get(
        "documentation",
        "getDocs",
        "Read this document as a page",
        {
            "200": response(
                "HTML",
                {HTML: STRING},
                {_POLICY: header("What the page may load: its own style", "default-src 'none'; style-src 'sha256-…'")},
            )
        },
    ),
    "/docs/openapi.json": get(
        "documentation",
        "getDocument",
        "Read this document",
        {"200": response("OpenAPI 3.1", {JSON: {"type": "object"}})},
    ),
}
