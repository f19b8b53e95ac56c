"""Routes that take POST alone, without what the framework does around one.

Its request object, dependencies and signatures cost several times what publishing an event takes, and even its router
and its error handling as much.
"""

import re
from collections.abc import Awaitable, Callable, Mapping

from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import ASGIRouteHandler, asgi
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Receive, Scope, Send

from entrypoints.rest.problems import reply_to

Answer = Callable[[Scope, Receive], Awaitable[ASGIApp]]
"""Serves a POST request; what it raises is answered with a problem document."""

_PLAIN_HOST = re.compile(rb"[0-9A-Za-z.:\[\]_-]*")


class DirectPosts:
    """Answers plain POST requests for certain paths ahead of the application.

    Leaves to it whatever is unusual: other methods and spellings of a path, and a host that may be none.
    """

    def __init__(self, app: ASGIApp, answers: Mapping[str, Answer]) -> None:
        self.app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answers.get(scope["path"])
        if answer is None or scope.get("method") != "POST" or not _has_plain_host(scope):
            await self.app(scope, receive, send)
            return
        try:
            reply = await answer(scope, receive)
        except Exception as error:  # noqa: BLE001 - as any other route's
            reply = reply_to(error, scope)
        await reply(scope, receive, send)


def post_route(path: str, answer: Answer) -> ASGIRouteHandler:
    """Make the application's own route, which answers other methods as it does on a route of any kind."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        match scope.get("method"):
            case "POST":
                reply = await answer(scope, receive)
            case "OPTIONS":
                reply = ASGIResponse(status_code=204, headers={"allow": "OPTIONS, POST"})
            case _:
                raise MethodNotAllowedException(headers={"allow": "POST, OPTIONS"})
        await reply(scope, receive, send)

    # The scope is nobody's but ours: there is nothing to protect it from.
    return asgi(path, copy_scope=False)(serve)


def _has_plain_host(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"host":
            return _PLAIN_HOST.fullmatch(value) is not None
    return True
