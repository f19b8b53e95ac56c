"""`POST /dead-letters/discard` and `/dead-letters/restore`, and what they share with `POST /dead-letters/replays`."""

from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.types import ASGIApp

from application.dead_letters.jobs import Job
from application.dead_letters.orders import Action, CountChanged
from application.dead_letters.use_cases import LetterUseCases
from application.event_loop import LONG_BYTES, in_thread
from entrypoints.http.administration import WHO, administrative
from entrypoints.http.headers import by_name
from entrypoints.http.prefix import Prefix
from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests.body import BodyReader
from entrypoints.http.requests.letter_order import parse_order
from entrypoints.http.requests.parameters import reject_parameters
from entrypoints.http.responses import HttpResponse
from entrypoints.http.routes.dead_letters import job_rows, rows


@route("/dead-letters/discard", http_method=["POST"], opt=administrative("POST"))
async def discard(
    request: Request[Any, Any, Any],
    letters: NamedDependency[LetterUseCases],
    order_reader: NamedDependency[BodyReader],
    prefix: NamedDependency[Prefix],
) -> ASGIApp:
    """Give dead letters up."""
    return await change(Action.DISCARD, request, letters, order_reader, prefix)


@route("/dead-letters/restore", http_method=["POST"], opt=administrative("POST"))
async def restore(
    request: Request[Any, Any, Any],
    letters: NamedDependency[LetterUseCases],
    order_reader: NamedDependency[BodyReader],
    prefix: NamedDependency[Prefix],
) -> ASGIApp:
    """Take a discard back."""
    return await change(Action.RESTORE, request, letters, order_reader, prefix)


async def change(
    action: Action, request: Request[Any, Any, Any], letters: LetterUseCases, reader: BodyReader, prefix: Prefix
) -> HttpResponse:
    """Do what the body of `request` says; for a dry run tell what would be done."""
    reject_parameters(request.scope)
    _, body = await reader.read(request.scope, request.receive, by_name(request.scope["headers"]))
    parse = partial(parse_order, action=action)
    asked = parse(body) if len(body) <= LONG_BYTES else await in_thread(parse, body)
    if asked.is_dry_run:
        preview = await letters.change.preview(asked.wanted, asked.order)
        return HttpResponse(HTTPStatus.OK, rows.preview_to_json(preview))
    try:
        done = await letters.change.carry_out(asked.wanted, asked.order, WHO, asked.expected)
    except CountChanged as error:
        raise HttpProblem(HTTPStatus.CONFLICT, f"{error}.") from None
    if isinstance(done, Job):
        location = prefix(request.scope) + b"/dead-letters/replays/" + str(done.id).encode()
        return HttpResponse(HTTPStatus.ACCEPTED, job_rows.to_json(done), [(b"location", location)])
    return HttpResponse(HTTPStatus.OK, msgspec.json.encode({"changed": done}))
