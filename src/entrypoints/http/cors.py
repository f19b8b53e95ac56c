"""Cross-origin requests from browsers (CORS, by the Fetch standard)."""

from collections.abc import Awaitable, Collection
from http import HTTPStatus
from typing import Final

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from entrypoints.http.headers import HeaderFields, Headers, by_name
from entrypoints.http.responses import JSON, HttpResponse

ANY = b"*"
_TEXT = b"text/plain"

_EXPOSED: Final = (b"access-control-expose-headers", b"Link, Location, Retry-After, X-Request-ID")
_VARY: Final = (b"vary", b"Origin")
_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, HEAD, POST"),
    (b"access-control-allow-headers", b"Content-Encoding, Content-Type, Traceparent, X-Request-ID"),
    # Two hours, the maximum in browsers.
    (b"access-control-max-age", b"7200"),
)


class Cors:
    """Allows pages of some origins to use an application, without credentials.

    From these origins `text/plain` is read as JSON, because `navigator.sendBeacon` sends it without a preflight.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        """Allow `origins`, written as browsers send them; `*` allows all."""
        self.app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = by_name(scope["headers"])
        origin = headers.get(b"origin")
        is_allowed = origin is not None and (origin in self._origins or ANY in self._origins)
        fields = self._fields(origin if is_allowed else None)
        app = self.app
        if is_allowed and scope.get("method") == "OPTIONS" and b"access-control-request-method" in headers:
            app = HttpResponse(HTTPStatus.NO_CONTENT, b"", _PREFLIGHT)
        elif is_allowed and _is_text(headers):
            scope["headers"] = [
                (name, value.lower().replace(_TEXT, JSON.encode(), 1) if name == b"content-type" else value)
                for name, value in scope["headers"]
            ]

        def send_on(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *fields]
            return send(message)

        await app(scope, receive, send_on)

    def _fields(self, origin: bytes | None) -> HeaderFields:
        if ANY in self._origins:
            return ((b"access-control-allow-origin", ANY), _EXPOSED)
        # Responses to other origins vary too, or a cache could give one origin the response for another.
        return (_VARY,) if origin is None else ((b"access-control-allow-origin", origin), _EXPOSED, _VARY)


def _is_text(headers: Headers) -> bool:
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower() == _TEXT
