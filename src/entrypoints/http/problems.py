"""Errors as RFC 9457 problem documents, for all routes and for requests that reach none."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import Scope

from domain.errors import Unavailable, WrongDeployment
from domain.validation import Invalid, Problem
from entrypoints.http.headers import HeaderFields
from entrypoints.http.responses import HttpResponse, is_head

MEDIA_TYPE = "application/problem+json"
NOT_FOUND = "There is nothing at this path."
METHOD_NOT_ALLOWED = "This path does not support this method."
RETRY_AFTER: HeaderFields = ((b"retry-after", b"5"),)
"""Seconds to wait during an outage."""
RETRY_SOON: HeaderFields = ((b"retry-after", b"1"),)
"""The same while the service has too much to do."""
_FRAMEWORK_DETAILS = {HTTPStatus.NOT_FOUND: NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED: METHOD_NOT_ALLOWED}
_MAX_LOGGED_FIELDS = 10
_MAX_LOGGED_CHARS = 300

logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(eq=False)
class HttpProblem(Exception):
    """An error response. `errors` names the invalid fields; `event_id` is the id to retry with."""

    status: HTTPStatus
    detail: str
    _: KW_ONLY
    errors: Sequence[Problem] = ()
    event_id: UUID | None = None
    headers: HeaderFields = ()


class _Document(msgspec.Struct, rename="camel", kw_only=True):
    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: Sequence[Problem] | msgspec.UnsetType
    event_id: UUID | msgspec.UnsetType


class LoggedProblem(NamedTuple):
    """A problem as the request's log line shows it: short, and without any value that the client sent."""

    reason: str
    fields: list[str] | msgspec.UnsetType
    """The names of the invalid fields."""


def handle_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Handle all exceptions of Litestar's routes."""
    response = problem_response(error, request.scope)
    # Litestar raises an error for the body of a response to HEAD.
    body = b"" if is_head(request.scope) else response.body
    headers = {name.decode(): value.decode() for name, value in response.headers}
    return Response(body, status_code=response.status, headers=headers, media_type=response.media_type)


def problem_response(error: Exception, scope: Scope) -> HttpResponse:
    """Make the response for an exception, and put a `LoggedProblem` into the request's state."""
    problem = _problem_of(error)
    fields = [*dict.fromkeys(each.field for each in problem.errors)][:_MAX_LOGGED_FIELDS]
    scope["state"]["problem"] = LoggedProblem(problem.detail[:_MAX_LOGGED_CHARS], fields or msgspec.UNSET)
    return render(problem, raw_path(scope), scope["state"].get("request_id", ""))


def render(problem: HttpProblem, instance: str, request_id: str) -> HttpResponse:
    """Make the response for a problem; `instance` is the request's path."""
    document = _Document(
        title=problem.status.phrase,
        status=problem.status,
        detail=problem.detail,
        instance=instance,
        request_id=request_id,
        errors=problem.errors or msgspec.UNSET,
        event_id=problem.event_id or msgspec.UNSET,
    )
    return HttpResponse(problem.status, msgspec.json.encode(document), problem.headers, MEDIA_TYPE)


def raw_path(scope: Scope) -> str:
    """Return the path as the client sent it: percent-encoded, so it is safe in a log and valid as a URI reference."""
    return scope["raw_path"].decode("ascii", "replace")


def _problem_of(error: Exception) -> HttpProblem:
    match error:
        case HttpProblem():
            return error
        case Invalid():
            fields = ", ".join(dict.fromkeys(problem.field for problem in error.problems))
            return HttpProblem(
                HTTPStatus.UNPROCESSABLE_ENTITY, f"The request is not valid: see {fields}.", errors=error.problems
            )
        case Unavailable():
            logger.warning("dependency unavailable", cause=str(error))
            return unavailable("The service cannot answer at present.")
        case WrongDeployment():
            logger.error("incompatible deployment", cause=str(error))
            return unavailable("The service is not set up correctly.")
        case HTTPException(status_code=status) if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return _framework_problem(error)
        case _:
            logger.error("unexpected error", exc_info=error)
            return HttpProblem(HTTPStatus.INTERNAL_SERVER_ERROR, "An unexpected error occurred; it has been logged.")


def unavailable(detail: str, *, event_id: UUID | None = None, headers: HeaderFields = RETRY_AFTER) -> HttpProblem:
    """Make a 503 with `Retry-After`."""
    return HttpProblem(HTTPStatus.SERVICE_UNAVAILABLE, detail, event_id=event_id, headers=headers)


def malformed_body(reason: str) -> HttpProblem:
    """Make a 400 that says why a body cannot be read."""
    return HttpProblem(HTTPStatus.BAD_REQUEST, f"The body cannot be read: {reason}.")


def _framework_problem(error: HTTPException) -> HttpProblem:
    status = HTTPStatus(error.status_code)
    detail = _FRAMEWORK_DETAILS.get(status, f"{error.detail}.")
    headers = [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
    return HttpProblem(status, detail, headers=headers)
