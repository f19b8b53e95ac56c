"""Routes that take POST alone, as plain ASGI applications.

Litestar's own stack (request object, dependencies, signature) costs several times what publishing an event takes.
"""

from collections.abc import Awaitable, Callable

from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import ASGIRouteHandler, asgi
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Receive, Scope, Send


def post_route(path: str, answer: Callable[[Scope, Receive], Awaitable[ASGIApp]]) -> ASGIRouteHandler:
    """Make a route at `path` whose POST requests `answer` serves; what it raises is handled as on any other route.

    Other methods are answered as Litestar does on a route of its own.
    """

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
