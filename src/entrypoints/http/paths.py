"""One spelling of each path, so that a client cannot bypass a proxy's rule for a path by writing it differently."""

import re
from http import HTTPStatus
from typing import Final

from litestar.types import Receive, Scope, Send

from entrypoints.http.problems import NOT_FOUND, HttpProblem, problem_response
from entrypoints.http.responses import HttpResponse

_CANONICAL: Final = re.compile(rb"/|(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~:-]+)+")
"""No empty or dot segments, no parameters (`;`), no percent-encoding. No route needs them."""
_COLON: Final = re.compile(rb"%3A", re.IGNORECASE)
"""Event types may have colons. Many clients encode them, although RFC 3986 allows them in a path."""


def is_canonical(raw_path: bytes) -> bool:
    """Return whether a path, as the client sent it, has the form that all routes have."""
    return _CANONICAL.fullmatch(raw_path) is not None


async def handle_noncanonical(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request whose path is not canonical with 404, with two exceptions.

    `OPTIONS *` gets the methods of the server. GET and HEAD with a trailing slash, or with an encoded colon in the
    last segment, get a redirect; it is relative, so that it works behind any prefix and cannot lead to another host.
    """
    raw_path, query = scope["raw_path"], scope["query_string"]
    # A relative redirect replaces the last segment alone.
    parent, slash, last = raw_path.removesuffix(b"/").rpartition(b"/")
    last = _COLON.sub(b":", last)
    match scope.get("method"), parent + slash + last:
        case "OPTIONS", b"*":
            response = HttpResponse(HTTPStatus.NO_CONTENT, b"", [(b"allow", b"GET, HEAD, OPTIONS, POST, PUT")])
        case "GET" | "HEAD", path if path not in {raw_path, b"/"} and is_canonical(path):
            has_slash = raw_path.endswith(b"/")
            up = b"../" if has_slash else b"./"
            location = up + last + (b"?" + query if query else b"")
            detail = "This path has no slash at its end." if has_slash else "This path has colons that are not encoded."
            moved = HttpProblem(HTTPStatus.PERMANENT_REDIRECT, detail, headers=[(b"location", location)])
            response = problem_response(moved, scope)
        case _:
            response = problem_response(HttpProblem(HTTPStatus.NOT_FOUND, NOT_FOUND), scope)
    await response(scope, receive, send)
