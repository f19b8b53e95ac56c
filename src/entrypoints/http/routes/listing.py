"""`GET /events/processed` and `GET /events/{id}`."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from litestar import Request, route
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ASGIApp

from application.list_processed import ListProcessed
from application.listing import StoredEvent
from domain.validation import parse_id
from entrypoints.http import compression
from entrypoints.http.headers import HeaderFields
from entrypoints.http.prefix import Prefix
from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests import query
from entrypoints.http.requests.accept import all_values, negotiate, negotiate_coding
from entrypoints.http.requests.parameters import no_parameters
from entrypoints.http.responses import JSON, HttpResponse, StreamedResponse
from entrypoints.http.routes import rows

MEDIA_TYPES = (JSON, *rows.NDJSON_TYPES, rows.CSV)
DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000

_VARY = (b"vary", b"Accept, Accept-Encoding")
_EXPORT_HEADERS: Mapping[str, HeaderFields] = {
    **{ndjson: [(b"content-type", ndjson.encode()), _VARY] for ndjson in rows.NDJSON_TYPES},
    rows.CSV: [
        (b"content-type", f"{rows.CSV}; charset=utf-8; header=present".encode()),
        (b"content-disposition", b'attachment; filename="events.csv"'),
        _VARY,
    ],
}


@route("/events/processed", http_method=["GET", "HEAD"])
async def list_events(
    request: Request[Any, Any, Any],
    listing: NamedDependency[ListProcessed],
    prefix: NamedDependency[Prefix],
) -> ASGIApp:
    """List stored events in the media type and content coding that the client prefers."""
    media_type = negotiate(all_values(request, "accept"), MEDIA_TYPES)
    coding = negotiate_coding(all_values(request, "accept-encoding"), compression.CODINGS)
    query_string = request.scope["query_string"]
    if media_type is None:
        raise HttpProblem(HTTPStatus.NOT_ACCEPTABLE, f"This list comes as {', '.join(MEDIA_TYPES)} only.")
    if media_type == JSON:
        return await page(query.parse(query_string, MAX_LIMIT), listing, coding, prefix(request.scope))
    return await export(query.parse(query_string, None), listing, media_type, coding)


@route("/events/{event_id:str}", http_method=["GET", "HEAD"], guards=[no_parameters])
async def get_event(event_id: FromPath[str], listing: NamedDependency[ListProcessed]) -> ASGIApp:
    """Return one stored event; the id may have any form that is valid in a POST."""
    try:
        row = await listing.get(parse_id(event_id))
    except ValueError:
        raise HttpProblem(HTTPStatus.NOT_FOUND, "The id of an event is a UUID.") from None
    if row is None:
        raise HttpProblem(HTTPStatus.NOT_FOUND, "No event with this id is stored, or not yet.")
    return HttpResponse(HTTPStatus.OK, rows.to_json_object(row))


async def page(wanted: query.Query, listing: ListProcessed, coding: str | None, prefix: bytes) -> HttpResponse:
    """Return one page, with a `Link` to the next one if there is one."""
    found = await listing.page(wanted.wanted, wanted.after, wanted.limit or DEFAULT_LIMIT)
    headers = [_VARY]
    if found.following is not None:
        query_string = wanted.next_page(found.following).encode()
        headers.append((b"link", b'<%b/events/processed?%b>; rel="next"' % (prefix, query_string)))
    body = rows.to_json(found.rows)
    if coding is not None and len(body) > compression.MIN_BYTES:
        body = await compression.compress(body, coding)
        headers.append((b"content-encoding", coding.encode()))
    return HttpResponse(HTTPStatus.OK, body, headers)


async def export(wanted: query.Query, listing: ListProcessed, media_type: str, coding: str | None) -> StreamedResponse:
    """Stream all matching events, read page by page."""
    pages = listing.export(wanted.wanted, wanted.after, wanted.limit)
    if media_type == rows.CSV:
        header, render = rows.csv_header(has_bom=wanted.has_bom), rows.to_csv
    else:
        header, render = b"", rows.to_ndjson
    # The first page is read before the status is sent, so that an outage becomes a 503.
    first = header + render(await anext(pages))
    headers = _EXPORT_HEADERS[media_type]
    chunks = _render(first, pages, render)
    # If the first page is this small, it is the only one.
    if coding is None or len(first) <= compression.MIN_BYTES:
        return StreamedResponse(chunks, headers)
    return StreamedResponse(
        compression.compress_chunks(chunks, coding), [*headers, (b"content-encoding", coding.encode())]
    )


async def _render(
    first: bytes, pages: AsyncIterator[Sequence[StoredEvent]], render: Callable[[Sequence[StoredEvent]], bytes]
) -> AsyncGenerator[bytes, None]:
    yield first
    async for following in pages:
        yield render(following)
