"""What the server itself answers where a request does not reach the application."""

from dataclasses import dataclass

import structlog
from litestar.types import Receive, Scope, Send

from entrypoints.http import problems
from entrypoints.http.headers import by_name
from entrypoints.http.middleware import request_id_of
from entrypoints.http.problems import HttpProblem

logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An ASGI application that answers with a problem document, and logs it."""

    problem: HttpProblem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_id_of(by_name(scope["headers"]))
        # The path is not known to be one, hence it is not repeated.
        reply = problems.render(self.problem, "", request_id)
        reply.headers = [*reply.headers, (b"x-request-id", request_id.encode())]
        logger.info(
            "request refused", request_id=request_id, status=int(self.problem.status), reason=self.problem.detail
        )
        await reply(scope, receive, send)
