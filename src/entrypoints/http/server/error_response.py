"""The response to a request that the server rejects before it reaches the application."""

from dataclasses import dataclass

import structlog
from litestar.types import Receive, Scope, Send

from entrypoints.http import problems
from entrypoints.http.headers import by_name
from entrypoints.http.middleware import request_id_of
from entrypoints.http.problems import HttpProblem

logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An ASGI application that sends and logs a problem document."""

    problem: HttpProblem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_id_of(by_name(scope["headers"]))
        # The request may have no valid path, so the document does not repeat it.
        response = problems.render(self.problem, "", request_id)
        response.headers = [*response.headers, (b"x-request-id", request_id.encode())]
        logger.info(
            "request rejected", request_id=request_id, status=int(self.problem.status), reason=self.problem.detail
        )
        await response(scope, receive, send)
