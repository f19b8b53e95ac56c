"""Checks what the API answers against its OpenAPI document."""

import re
from typing import Any

import httpx
import jsonschema_rs

from entrypoints.http.openapi.document import document
from entrypoints.http.problems import MEDIA_TYPE

_OF_ANY_MESSAGE = {"connection", "content-length", "content-type", "date", "keep-alive"}
_OF_CORS = {"access-control-allow-origin", "access-control-expose-headers", "vary"}
"""Only where it is switched on."""


def _closed(value: Any) -> Any:
    """Forbid what the schemas do not name: clients may meet more one day, but the document is to name all there is."""
    if isinstance(value, list):
        return [_closed(item) for item in value]
    if not isinstance(value, dict):
        return value
    closed = {key: _closed(inner) for key, inner in value.items()}
    return {"additionalProperties": False, **closed} if "properties" in value else closed


_DOCUMENT: dict[str, Any] = _closed(document())


async def assert_documented(response: httpx.Response) -> None:
    """Check the status, headers, media type and JSON of `response`."""
    await response.aread()
    media_type = response.headers.get("content-type", "").partition(";")[0]
    if _is_nowhere(response, media_type) or "access-control-request-method" in response.request.headers:
        return
    answers = _answers(response)
    answer = answers[str(response.status_code)]
    if "$ref" in answer:
        answer = _DOCUMENT["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    undocumented = set(response.headers) - _OF_ANY_MESSAGE - _OF_CORS - set(answer["headers"])
    assert not undocumented, undocumented
    if response.content:
        schema = answer["content"][media_type]["schema"]
        if media_type in {"application/json", MEDIA_TYPE}:
            root = {"components": _DOCUMENT["components"], **schema}
            jsonschema_rs.validator_for(root, validate_formats=True).validate(response.json())


def _is_nowhere(response: httpx.Response, media_type: str) -> bool:
    """Return whether the application has nothing at this path; the document says what it has."""
    if response.status_code == 308:
        return True
    if response.status_code != 404 or media_type != MEDIA_TYPE:
        return False
    return not response.content or response.json()["detail"] == "There is nothing at this path."


def _answers(response: httpx.Response) -> dict[str, Any]:
    path = response.request.url.path
    paths: dict[str, dict[str, dict[str, Any]]] = _DOCUMENT["paths"]
    # A path without a parameter comes first.
    item = next(item for known, item in paths.items() if re.fullmatch(re.sub(r"{\w+}", "[^/]+", known), path))
    method = response.request.method.lower()
    if method not in item:
        # What any request may get is the same for all operations.
        assert response.status_code in {405, 501}
        method = "options"
    answers: dict[str, Any] = item[method]["responses"]
    return answers
