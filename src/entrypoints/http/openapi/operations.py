"""The methods of a path: GET with HEAD, POST or PUT; and OPTIONS."""

from collections.abc import Collection
from typing import Any

from entrypoints.http.openapi.responses import ALLOW, error_responses, response, without_content
from entrypoints.http.openapi.schemas import STRING, Schema


def get(tag: str, name: str, summary: str, responses: Schema, **more: Any) -> Schema:
    """Describe a path that supports GET; for the parameters see `_operation`."""
    operation = _operation(tag, name, summary, responses, **more)
    head = {
        **operation,
        "operationId": f"{name}Head",
        "summary": f"{summary}: the headers only",
        "responses": {status: without_content(described) for status, described in operation["responses"].items()},
    }
    return {"get": operation, "options": _options(operation), "head": head}


def post(tag: str, name: str, summary: str, responses: Schema, **more: Any) -> Schema:
    """Describe a path that supports POST; for the parameters see `_operation`."""
    operation = _operation(tag, name, summary, responses, **more)
    return {"post": operation, "options": _options(operation)}


def put(tag: str, name: str, summary: str, responses: Schema, **more: Any) -> Schema:
    """Describe a path that supports PUT; for the parameters see `_operation`."""
    operation = _operation(tag, name, summary, responses, **more)
    return {"put": operation, "options": _options(operation)}


def _operation(
    tag: str, name: str, summary: str, responses: Schema, *, errors: Collection[int] = (), **more: Any
) -> Schema:
    """Describe a method: `responses` by status, `errors` besides those of every operation, and `more` keys."""
    all_responses = {**error_responses(*errors), **responses}
    return {
        "tags": [tag],
        "operationId": name,
        "summary": summary,
        **more,
        "responses": dict(sorted(all_responses.items())),
    }


def _options(operation: Schema) -> Schema:
    # OPTIONS does not validate the id.
    parameters = [
        {**parameter, "schema": STRING} for parameter in operation.get("parameters", ()) if parameter["in"] == "path"
    ]
    more: dict[str, Any] = {"parameters": parameters, "errors": [404]} if parameters else {}
    return _operation(
        operation["tags"][0],
        f"{operation['operationId']}Options",
        "Which methods does the path support?",
        {"204": response("`Allow` names them", headers=ALLOW)},
        **more,
    )
