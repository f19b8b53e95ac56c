"""`GET` and `POST /dead-letters/replays`, `GET …/replays/{id}`, and `POST …/replays/{id}/pause`, `resume`, `cancel`."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from litestar import Request, route
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ASGIApp

from application.dead_letters.jobs import JobCommand, NotPossible
from application.dead_letters.orders import Action
from application.dead_letters.use_cases import LetterUseCases
from entrypoints.http.administration import WHO, administrative
from entrypoints.http.prefix import Prefix
from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests.body import BodyReader
from entrypoints.http.requests.letter_filter import query_string
from entrypoints.http.requests.letter_query import parse_jobs, parse_reason
from entrypoints.http.requests.parameters import no_parameters
from entrypoints.http.requests.values import read_uuid
from entrypoints.http.responses import HttpResponse
from entrypoints.http.routes.dead_letters import job_rows
from entrypoints.http.routes.dead_letters.changes import change

_NO_JOB = "No job has this id."


@route("/dead-letters/replays", http_method=["GET", "HEAD", "POST"], opt=administrative("POST"))
async def jobs(
    request: Request[Any, Any, Any],
    letters: NamedDependency[LetterUseCases],
    order_reader: NamedDependency[BodyReader],
    prefix: NamedDependency[Prefix],
) -> ASGIApp:
    """List jobs, or make one that publishes dead letters again."""
    if request.method == "POST":
        return await change(Action.REPLAY, request, letters, order_reader, prefix)
    return await _list(request, letters, prefix)


async def _list(request: Request[Any, Any, Any], letters: LetterUseCases, prefix: Prefix) -> HttpResponse:
    """Return one page, newest first, with a `Link` to the next one if there may be one."""
    limit, before = parse_jobs(request.scope["query_string"])
    found = await letters.jobs.newest(limit, before)
    if len(found) < limit:
        return HttpResponse(HTTPStatus.OK, job_rows.list_to_json(found))
    following = query_string({"limit": limit, "before": found[-1].id})
    link = b'<%b/dead-letters/replays?%b>; rel="next"' % (prefix(request.scope), following)
    return HttpResponse(HTTPStatus.OK, job_rows.list_to_json(found), [(b"link", link)])


@route("/dead-letters/replays/{job_id:str}", http_method=["GET", "HEAD"], guards=[no_parameters])
async def get_job(job_id: FromPath[str], letters: NamedDependency[LetterUseCases]) -> ASGIApp:
    """Return one job with its outcomes."""
    found = await letters.jobs.get(_id(job_id))
    if found is None:
        raise HttpProblem(HTTPStatus.NOT_FOUND, _NO_JOB)
    return HttpResponse(HTTPStatus.OK, job_rows.full_to_json(found))


@route("/dead-letters/replays/{job_id:str}/pause", http_method=["POST"], opt=administrative("POST"))
async def pause(
    request: Request[Any, Any, Any], job_id: FromPath[str], letters: NamedDependency[LetterUseCases]
) -> ASGIApp:
    """Stop a job for now."""
    return await _control(job_id, JobCommand.PAUSE, request, letters)


@route("/dead-letters/replays/{job_id:str}/resume", http_method=["POST"], opt=administrative("POST"))
async def resume(
    request: Request[Any, Any, Any], job_id: FromPath[str], letters: NamedDependency[LetterUseCases]
) -> ASGIApp:
    """Let a job go on that was paused, or that halted by itself."""
    return await _control(job_id, JobCommand.RESUME, request, letters)


@route("/dead-letters/replays/{job_id:str}/cancel", http_method=["POST"], opt=administrative("POST"))
async def cancel(
    request: Request[Any, Any, Any], job_id: FromPath[str], letters: NamedDependency[LetterUseCases]
) -> ASGIApp:
    """End a job; what it has not published becomes dead again."""
    return await _control(job_id, JobCommand.CANCEL, request, letters)


async def _control(
    job_id: str, command: JobCommand, request: Request[Any, Any, Any], letters: LetterUseCases
) -> HttpResponse:
    reason = parse_reason(request.scope["query_string"])
    try:
        job = await letters.jobs.control(_id(job_id), command, who=WHO, reason=reason)
    except NotPossible as error:
        raise HttpProblem(HTTPStatus.CONFLICT, f"This is not possible: {error}.") from None
    if job is None:
        raise HttpProblem(HTTPStatus.NOT_FOUND, _NO_JOB)
    return HttpResponse(HTTPStatus.OK, job_rows.to_json(job))


def _id(text: str) -> UUID:
    try:
        return read_uuid(text)
    except ValueError:
        raise HttpProblem(HTTPStatus.NOT_FOUND, "The id of a job is a UUID.") from None
