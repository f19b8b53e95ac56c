"""`GET /event-types`: which types are accepted; `GET /event-types/{type}`: the schema of a type's payloads."""

from http import HTTPStatus
from typing import Any, Literal

import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ASGIApp

from application.event_catalog import EventCatalog, PublishedSchema
from application.event_loop import in_thread
from domain.event_types import EventType
from entrypoints.http.openapi.event_types import as_object, encode
from entrypoints.http.prefix import Prefix
from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests.parameters import no_parameters
from entrypoints.http.responses import HttpResponse

SCHEMA_JSON = "application/schema+json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ANY_PAYLOAD = b"{}"


class _AcceptedType(msgspec.Struct, rename="camel"):
    type: EventType
    schema_url: str | msgspec.UnsetType = msgspec.UNSET
    on_violation: Literal["reject", "accept"] | msgspec.UnsetType = msgspec.UNSET


@route("/event-types", http_method=["GET", "HEAD"], guards=[no_parameters])
async def list_types(
    request: Request[Any, Any, Any], event_types: NamedDependency[EventCatalog], prefix: NamedDependency[Prefix]
) -> ASGIApp:
    """List the accepted types, and whether all others are accepted, too."""
    here = prefix(request.scope).decode() + "/event-types/"
    types = [_listed(name, event_types.schemas.get(name), here) for name in event_types.types.names]
    body = msgspec.json.encode({"acceptsAny": event_types.types.accepts_any, "types": types})
    return HttpResponse(HTTPStatus.OK, body)


@route("/event-types/{event_type:str}", http_method=["GET", "HEAD"], guards=[no_parameters])
async def get_schema(event_type: FromPath[str], event_types: NamedDependency[EventCatalog]) -> ASGIApp:
    """Return a type's schema with all it refers to; a type without one has the schema that accepts everything."""
    try:
        schema = event_types.schemas.get(event_types.types.parse(event_type))
    except ValueError as error:
        raise HttpProblem(HTTPStatus.NOT_FOUND, f"An event type {error}.") from None
    body = _ANY_PAYLOAD if schema is None else await in_thread(_document, schema)
    return HttpResponse(HTTPStatus.OK, body, media_type=SCHEMA_JSON)


def _listed(name: EventType, schema: PublishedSchema | None, here: str) -> _AcceptedType:
    if schema is None:
        return _AcceptedType(name)
    return _AcceptedType(name, here + name, "reject" if schema.rejects else "accept")


def _document(schema: PublishedSchema) -> bytes:
    return encode({"$schema": _DIALECT, **as_object(schema.bundled())})
