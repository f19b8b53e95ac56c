"""Routes that take POST alone, without what the framework does around one.

Its request object, dependencies and signatures cost several times what publishing an event takes, and even its router
and its error handling as much.
"""

import re
from collections.abc import Awaitable, Callable, Mapping

from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import ASGIRouteHandler, asgi
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from entrypoints.http.headers import Headers, by_name
from entrypoints.http.responses import Reply

Answer = Callable[[Scope, Receive, Headers], Awaitable[Reply]]
"""Serves a POST request with these headers; what it raises is answered with a problem document."""

_PLAIN_HOST = re.compile(rb"[0-9A-Za-z.:\[\]_-]*")


class DirectPosts:
    """What answers plain POST requests for certain paths in the application's place."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = answers

    def find(self, scope: Scope, headers: Headers) -> Answer | None:
        """Find what answers a request with these headers; None for what is left to the application.

        That is whatever is unusual: other paths or spellings of them, other methods, a host that may be none.
        """
        answer = self._answers.get(scope["path"])
        if answer is None or scope.get("method") != "POST" or not _PLAIN_HOST.fullmatch(headers.get(b"host", b"")):
            return None
        return answer


def post_route(path: str, answer: Answer) -> ASGIRouteHandler:
    """Make the application's own route, which answers other methods as it does on a route of any kind."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        match scope.get("method"):
            case "POST":
                reply = await answer(scope, receive, by_name(scope["headers"]))
                await reply(scope, receive, send)
            case "OPTIONS":
                await ASGIResponse(status_code=204, headers={"allow": "OPTIONS, POST"})(scope, receive, send)
            case _:
                raise MethodNotAllowedException(headers={"allow": "POST, OPTIONS"})

    # The scope is nobody's but ours: there is nothing to protect it from.
    return asgi(path, copy_scope=False)(serve)
