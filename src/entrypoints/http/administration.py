"""Who may use administrative routes: programs on this machine, unless `ADMIN_OPEN` lets in everybody who gets here."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope

from entrypoints.http.headers import Headers, by_name
from entrypoints.http.prefix import Prefix, peer_of
from entrypoints.http.problems import HttpProblem

WHO = "api"
"""Their name in the audit log."""

_NOT_LOCAL = (
    "Only programs on the machine of the service may use this path; ADMIN_OPEN=true lets in all clients, and belongs "
    "behind a proxy that checks who they are."
)
_FOREIGN_PAGE = "Pages of other origins must not use this path."
_FORWARDED = re.compile(rb"via|forwarded|x-forwarded.*|x-real-ip|[a-z-]*client-ip|[a-z-]*connecting-ip")
"""Headers by which proxies name the client, or themselves."""
_METHODS = "administrative_methods"
_LOCAL_HOST = re.compile(rb"(?:localhost|127\.[0-9.]+|\[::1\])(?::[0-9]+)?", re.IGNORECASE)


def administrative(*methods: str) -> Mapping[str, Sequence[str]]:
    """Return the options of a route some of whose methods are behind the guard."""
    return {_METHODS: methods}


class Administration:
    """A guard of all routes, by their options. Pages of other origins are refused in any case."""

    def __init__(self, prefix: Prefix, *, is_open: bool) -> None:
        """Let in local clients, or all if `is_open`; those of `prefix`'s trusted proxies are not local."""
        self._prefix = prefix
        self._is_open = is_open

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Raise `HttpProblem` with 403 if the request must not pass."""
        if connection.scope.get("method") not in handler.opt.get(_METHODS, ()):
            return
        headers = by_name(connection.scope["headers"])
        if _is_foreign_page(headers):
            raise HttpProblem(HTTPStatus.FORBIDDEN, _FOREIGN_PAGE)
        if not self._is_open and not self._is_local(connection.scope, headers):
            raise HttpProblem(HTTPStatus.FORBIDDEN, _NOT_LOCAL)

    def _is_local(self, scope: Scope, headers: Headers) -> bool:
        peer = peer_of(scope)
        if peer is None or not peer.is_loopback or self._prefix.is_from_proxy(scope):
            return False
        # A page can have its own host's name resolve to this machine (DNS rebinding), but cannot hide that name.
        if _LOCAL_HOST.fullmatch(headers.get(b"host", b"")) is None:
            return False
        return not any(map(_FORWARDED.fullmatch, headers))


def _is_foreign_page(headers: Headers) -> bool:
    """Return whether a browser sends the request for a page of another origin; other clients state none."""
    if site := headers.get(b"sec-fetch-site"):
        return site not in {b"same-origin", b"none"}
    origin = headers.get(b"origin")
    return origin is not None and origin.rpartition(b"/")[2] != headers.get(b"host")
