"""`GET /dead-letters`, `/dead-letters/groups` and `/dead-letters/export`."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from litestar import Request, route
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from application.dead_letters.letters import LetterInFull
from application.dead_letters.use_cases import LetterUseCases
from application.event_loop import in_thread
from entrypoints.http import compression
from entrypoints.http.prefix import Prefix
from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests import letter_query
from entrypoints.http.requests.accept import all_values, negotiate, negotiate_coding
from entrypoints.http.responses import JSON, HttpResponse, StreamedResponse
from entrypoints.http.routes.dead_letters import full_rows, rows
from entrypoints.http.routes.rows import NDJSON_TYPES

_VARY: Final = (b"vary", b"Accept-Encoding")
_VARY_EXPORT: Final = (b"vary", b"Accept, Accept-Encoding")


@route("/dead-letters", http_method=["GET", "HEAD"])
async def list_letters(
    request: Request[Any, Any, Any], letters: NamedDependency[LetterUseCases], prefix: NamedDependency[Prefix]
) -> ASGIApp:
    """Return one page, newest first, with a `Link` to the next one if there is one."""
    wanted = letter_query.parse_page(request.scope["query_string"])
    found = await letters.browse.page(wanted.wanted, wanted.after, wanted.limit)
    response = await _compressed(rows.to_json(found.letters), request)
    if found.following is not None:
        next_page = b'<%b/dead-letters?%b>; rel="next"' % (prefix(request.scope), wanted.next_page(found.following))
        response.headers = [*response.headers, (b"link", next_page)]
    return response


@route("/dead-letters/groups", http_method=["GET", "HEAD"])
async def list_groups(request: Request[Any, Any, Any], letters: NamedDependency[LetterUseCases]) -> ASGIApp:
    """Return the groups with the same cause, the largest first."""
    wanted = letter_query.parse_filter(request.scope["query_string"])
    return await _compressed(rows.groups_to_json(await letters.browse.groups(wanted)), request)


@route("/dead-letters/export", http_method=["GET", "HEAD"])
async def export(
    request: Request[Any, Any, Any], letters: NamedDependency[LetterUseCases], prefix: NamedDependency[Prefix]
) -> ASGIApp:
    """Stream all matching letters in full, newest first."""
    media_type = negotiate(all_values(request, "accept"), NDJSON_TYPES)
    if media_type is None:
        raise HttpProblem(HTTPStatus.NOT_ACCEPTABLE, f"This export comes as {' or '.join(NDJSON_TYPES)} only.")
    paths = f"{prefix(request.scope).decode()}/dead-letters/"
    parts = letters.browse.export(letter_query.parse_filter(request.scope["query_string"]))
    # The first part is read before the status is sent, so that an outage becomes a 503.
    chunks = _lines(await anext(parts, None), parts, paths)
    headers = [(b"content-type", media_type.encode()), _VARY_EXPORT]
    coding = negotiate_coding(all_values(request, "accept-encoding"), compression.CODINGS)
    if coding is None:
        return StreamedResponse(chunks, headers)
    return StreamedResponse(
        compression.compress_chunks(chunks, coding), [*headers, (b"content-encoding", coding.encode())]
    )


async def _compressed(body: bytes, request: Request[Any, Any, Any]) -> HttpResponse:
    coding = negotiate_coding(all_values(request, "accept-encoding"), compression.CODINGS)
    if coding is None or len(body) <= compression.MIN_BYTES:
        return HttpResponse(HTTPStatus.OK, body, [_VARY], JSON)
    headers = [_VARY, (b"content-encoding", coding.encode())]
    return HttpResponse(HTTPStatus.OK, await compression.compress(body, coding), headers, JSON)


async def _lines(
    first: Sequence[LetterInFull] | None, parts: AsyncIterator[Sequence[LetterInFull]], paths: str
) -> AsyncGenerator[bytes, None]:
    render = partial(full_rows.to_ndjson, paths=paths)
    if first is not None:
        yield await in_thread(render, first)
    async for part in parts:
        yield await in_thread(render, part)
