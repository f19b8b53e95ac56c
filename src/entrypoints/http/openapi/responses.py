"""The reusable responses and headers of the OpenAPI document."""

from http import HTTPStatus

from entrypoints.http.openapi.schemas import Schema, ref, ref_to
from entrypoints.http.problems import MEDIA_TYPE

_PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "The request is not valid HTTP/1.1, or its body cannot be read",
    HTTPStatus.FORBIDDEN: "The client is not on the service's machine, and ADMIN_OPEN is not set; or it is a page of "
    "another origin",
    HTTPStatus.NOT_FOUND: "The event is not stored (yet), the id is not a UUID, or the event type is not accepted; "
    "there is no such dead letter or job",
    HTTPStatus.METHOD_NOT_ALLOWED: "The path does not support this method; `Allow` lists those that it supports",
    HTTPStatus.NOT_ACCEPTABLE: "None of the media types is acceptable to the client",
    HTTPStatus.REQUEST_TIMEOUT: "The headers or the body of the request did not arrive in time",
    HTTPStatus.CONFLICT: "The letters or the job are not, or no longer, as the request expects; nothing was done",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body or the event is too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "Another media type, another charset than UTF-8, or another compression than "
    "gzip, deflate or zstd",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Invalid values, or an unknown query parameter; `errors` lists all of them",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "Too many bytes or fields outside of the body",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A bug; never caused by a request alone",
    HTTPStatus.NOT_IMPLEMENTED: "An unknown method, or a transfer coding other than chunked",
    HTTPStatus.SERVICE_UNAVAILABLE: "Temporarily unavailable; retry after the seconds in `Retry-After`",
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: "A version of HTTP other than 1.0 and 1.1",
}
_EVERYWHERE = (400, 405, 408, 422, 431, 500, 501, 503, 505)
"""Any request may get these, from the server or because of a bug."""


def header(description: str, example: str | int) -> Schema:
    """Describe a response's header, which is a number if its example is one."""
    schema = {"type": "string" if isinstance(example, str) else "integer"}
    return {"description": description, "schema": schema, "example": example}


ALLOW = {"allow": header("The methods that the path supports", "GET, HEAD, OPTIONS")}
RETRY_AFTER = {"retry-after": header("Seconds to wait before the next attempt", 5)}

_PROBLEM_HEADERS: dict[HTTPStatus, Schema] = {
    HTTPStatus.METHOD_NOT_ALLOWED: ALLOW,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: {
        "accept": header("The supported media types", "application/json"),
        "accept-encoding": header("The supported encodings", "gzip, deflate, zstd"),
    },
    HTTPStatus.SERVICE_UNAVAILABLE: RETRY_AFTER,
}


HEADERS: Schema = {
    "x-request-id": header("The X-Request-ID of the request, or a new one", "0198f3c0"),
    "x-content-type-options": header("Clients must not guess the media type", "nosniff"),
    "cache-control": header("Caches must not store the response", "no-store"),
}
"""The headers of every response."""


def response(description: str, media_types: Schema | None = None, headers: Schema | None = None) -> Schema:
    """Describe a response by the schemas of its media types (none if it has no content) and its headers."""
    content = {media_type: {"schema": schema} for media_type, schema in (media_types or {}).items()}
    described: Schema = {
        "description": description,
        "headers": {**{name: ref_to("headers", name) for name in HEADERS}, **(headers or {})},
    }
    return {**described, "content": content} if content else described


def error_responses(*statuses: int) -> dict[str, Schema]:
    """Refer to the error responses with `statuses`, and to those that any request may get."""
    return {str(status): ref_to("responses", _name(HTTPStatus(status))) for status in {*statuses, *_EVERYWHERE}}


def _name(status: HTTPStatus) -> str:
    return "".join(word.capitalize() for word in status.name.split("_"))


ERROR_RESPONSES: Schema = {
    _name(status): response(description, {MEDIA_TYPE: ref("Problem")}, _PROBLEM_HEADERS.get(status))
    for status, description in _PROBLEMS.items()
}


def without_content(described: Schema) -> Schema:
    """Describe the same response to a HEAD request."""
    name = described.get("$ref", "").rpartition("/")[2]
    return {key: value for key, value in ERROR_RESPONSES.get(name, described).items() if key != "content"}
