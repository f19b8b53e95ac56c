"""`GET /events/processed` and `GET /events/{id}`."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

from litestar import Request, route
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ASGIApp

from application.list_processed import ListProcessed
from application.listing import StoredEvent
from entrypoints.http.headers import Fields
from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests import query
from entrypoints.http.requests.accept import negotiate
from entrypoints.http.responses import JSON, Reply, Stream
from entrypoints.http.routes import rows

MEDIA_TYPES = (JSON, rows.NDJSON, rows.CSV)
DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000

_VARY = (b"vary", b"Accept")
_EXPORT_HEADERS: Mapping[str, Fields] = {
    rows.NDJSON: [(b"content-type", rows.NDJSON.encode()), _VARY],
    rows.CSV: [
        (b"content-type", f"{rows.CSV}; charset=utf-8; header=present".encode()),
        (b"content-disposition", b'attachment; filename="events.csv"'),
        _VARY,
    ],
}


@route("/events/processed", http_method=["GET", "HEAD"])
async def list_events(request: Request[Any, Any, Any], listing: NamedDependency[ListProcessed]) -> ASGIApp:
    """List stored events in the media type that the client prefers."""
    accept = ",".join(request.headers.getall("accept", []))
    media_type = negotiate(accept, MEDIA_TYPES)
    query_string = request.scope["query_string"]
    if media_type is None:
        raise HttpProblem(HTTPStatus.NOT_ACCEPTABLE, f"This list comes as {', '.join(MEDIA_TYPES)} only.")
    if media_type == JSON:
        return await page(query.parse(query_string, MAX_LIMIT), listing)
    return await export(query.parse(query_string, None), listing, media_type)


@route("/events/{event_id:uuid}", http_method=["GET", "HEAD"])
async def get_event(event_id: FromPath[UUID], listing: NamedDependency[ListProcessed]) -> ASGIApp:
    """Read one stored event; an id that is no UUID does not come here and is a 404."""
    row = await listing.get(event_id)
    if row is None:
        raise HttpProblem(HTTPStatus.NOT_FOUND, "No event with this id is stored, or not yet.")
    return Reply(HTTPStatus.OK, rows.to_json_object(row))


async def page(wanted: query.Query, listing: ListProcessed) -> Reply:
    """Answer with one page, and a link to the next if there is one."""
    found = await listing.page(wanted.wanted, wanted.after, wanted.limit or DEFAULT_LIMIT)
    headers = [_VARY]
    if found.following is not None:
        link = f'</events/processed?{wanted.for_page_after(found.following)}>; rel="next"'
        headers.append((b"link", link.encode()))
    return Reply(HTTPStatus.OK, rows.to_json(found.rows), headers)


async def export(wanted: query.Query, listing: ListProcessed, media_type: str) -> Stream:
    """Answer with everything that matches, however much, a page at a time."""
    pages = listing.export(wanted.wanted, wanted.after, wanted.limit)
    # Read before the status is sent, so that an outage is a clean 503.
    first = await anext(pages)
    if media_type == rows.CSV:
        head, render = rows.csv_header(has_bom=wanted.has_bom), rows.to_csv
    else:
        head, render = b"", rows.to_ndjson
    return Stream(_render(head, first, pages, render), _EXPORT_HEADERS[media_type])


async def _render(
    head: bytes,
    first: Sequence[StoredEvent],
    pages: AsyncIterator[Sequence[StoredEvent]],
    render: Callable[[Sequence[StoredEvent]], bytes],
) -> AsyncGenerator[bytes, None]:
    yield head + render(first)
    async for following in pages:
        yield render(following)
