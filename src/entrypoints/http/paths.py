"""One spelling of each path, so that the rule that a proxy has for a path holds for whatever reaches its route."""

import re
from http import HTTPStatus
from typing import Final

from litestar.types import Receive, Scope, Send

from entrypoints.http.problems import NOT_FOUND, HttpProblem, reply_to
from entrypoints.http.responses import Reply

_SPELLING: Final = re.compile(rb"/|(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+")
"""No path of ours needs more: no empty or dot segments, no parameters (`;`), nothing percent-encoded."""


def is_spelled_right(raw_path: bytes) -> bool:
    """Tell whether a path, as the client sent it, may be that of a route."""
    return _SPELLING.fullmatch(raw_path) is not None


async def answer_misspelt(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer for a path that is none: 404, but for two that are common.

    `OPTIONS *` asks for the methods of the server. What is to be read may have one slash too many at its end; the
    redirect is relative, so that it holds behind any prefix and never leads to another host.
    """
    raw_path, query = scope["raw_path"], scope["query_string"]
    match scope.get("method"), raw_path.removesuffix(b"/"):
        case "OPTIONS", b"*":
            reply = Reply(HTTPStatus.NO_CONTENT, b"", [(b"allow", b"GET, HEAD, OPTIONS, POST")])
        case "GET" | "HEAD", path if path not in {raw_path, b"/"} and is_spelled_right(path):
            location = b"../" + path.rpartition(b"/")[2] + (b"?" + query if query else b"")
            detail = "This path has no slash at its end."
            moved = HttpProblem(HTTPStatus.PERMANENT_REDIRECT, detail, headers=[(b"location", location)])
            reply = reply_to(moved, scope)
        case _:
            reply = reply_to(HttpProblem(HTTPStatus.NOT_FOUND, NOT_FOUND), scope)
    await reply(scope, receive, send)
