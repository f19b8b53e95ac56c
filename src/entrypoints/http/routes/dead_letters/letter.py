"""`GET /dead-letters/{id}`, and `GET` and `PUT /dead-letters/{id}/value`."""

from functools import partial
from http import HTTPStatus
from typing import Any, Final

from litestar import Request, route
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ASGIApp

from application.dead_letters.letters import LetterInFull
from application.dead_letters.use_cases import LetterUseCases
from application.event_loop import in_thread
from application.ports.dead_letter_index import NotEditable
from entrypoints.http.administration import WHO, administrative
from entrypoints.http.headers import by_name
from entrypoints.http.prefix import Prefix
from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests.body import BodyReader
from entrypoints.http.requests.letter_filter import is_letter_id
from entrypoints.http.requests.letter_query import parse_edit_number, parse_reason
from entrypoints.http.requests.parameters import no_parameters
from entrypoints.http.responses import JSON, HttpResponse
from entrypoints.http.routes.dead_letters import full_rows

OCTETS: Final = "application/octet-stream"
VALUE_TYPES = (JSON, OCTETS)
_NO_ID = "The id of a dead letter is <partition>-<offset>, or dlq-<partition>-<offset>."
_NO_LETTER = "No dead letter has this id."


@route("/dead-letters/{letter_id:str}", http_method=["GET", "HEAD"], guards=[no_parameters])
async def get_letter(
    request: Request[Any, Any, Any],
    letter_id: FromPath[str],
    letters: NamedDependency[LetterUseCases],
    prefix: NamedDependency[Prefix],
) -> ASGIApp:
    """Return everything that is known about one letter."""
    found = await _find(letter_id, letters)
    conflict = await letters.browse.conflict(found)
    render = partial(full_rows.to_json, conflict=conflict, here=_path(letter_id, prefix(request.scope)))
    return HttpResponse(HTTPStatus.OK, await in_thread(render, found))


@route("/dead-letters/{letter_id:str}/value", http_method=["GET", "HEAD", "PUT"], opt=administrative("PUT"))
async def value_of_letter(
    request: Request[Any, Any, Any],
    letter_id: FromPath[str],
    letters: NamedDependency[LetterUseCases],
    value_reader: NamedDependency[BodyReader],
    prefix: NamedDependency[Prefix],
) -> ASGIApp:
    """Return a letter's value, or give it another one."""
    if request.method == "PUT":
        return await _edit(request, letter_id, letters, value_reader, prefix)
    return await _get_value(request, letter_id, letters)


async def _get_value(request: Request[Any, Any, Any], letter_id: str, letters: LetterUseCases) -> HttpResponse:
    """Return the bytes of the present value, of an edit, or of the original value (0)."""
    number = parse_edit_number(request.scope["query_string"])
    found = await _find(letter_id, letters)
    value = _value(found, number)
    if value is None:
        raise HttpProblem(HTTPStatus.NOT_FOUND, "This dead letter has no such value.")
    name = b'attachment; filename="dead-letter-%b"' % letter_id.encode()
    return HttpResponse(HTTPStatus.OK, value, [(b"content-disposition", name)], OCTETS)


async def _edit(
    request: Request[Any, Any, Any], letter_id: str, letters: LetterUseCases, reader: BodyReader, prefix: Prefix
) -> HttpResponse:
    """Give a letter another value, which has to hold an event."""
    reason = parse_reason(request.scope["query_string"], is_required=True)
    if not is_letter_id(letter_id):
        raise HttpProblem(HTTPStatus.NOT_FOUND, _NO_ID)
    _, value = await reader.read(request.scope, request.receive, by_name(request.scope["headers"]))
    try:
        edited = await letters.edit(letter_id, value, who=WHO, reason=reason)
    except NotEditable:
        raise HttpProblem(HTTPStatus.CONFLICT, "Only a dead letter whose state is dead can be edited.") from None
    if edited is None:
        raise HttpProblem(HTTPStatus.NOT_FOUND, _NO_LETTER)
    body = full_rows.edited_to_json(edited, _path(letter_id, prefix(request.scope)))
    return HttpResponse(HTTPStatus.OK, body)


async def _find(letter_id: str, letters: LetterUseCases) -> LetterInFull:
    if not is_letter_id(letter_id):
        raise HttpProblem(HTTPStatus.NOT_FOUND, _NO_ID)
    found = await letters.browse.get(letter_id)
    if found is None:
        raise HttpProblem(HTTPStatus.NOT_FOUND, _NO_LETTER)
    return found


def _value(found: LetterInFull, number: int | None) -> bytes | None:
    if number is None:
        return found.present_value
    if number == 0:
        return found.value
    return next((edit.value for edit in found.edits if edit.number == number), None)


def _path(letter_id: str, prefix: bytes) -> str:
    return f"{prefix.decode()}/dead-letters/{letter_id}"
