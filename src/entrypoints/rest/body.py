"""Read a request's body as bytes, within limits on its type, its size and the time it takes to arrive."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from litestar.types import Receive, Scope

from entrypoints.rest.problems import HttpProblem
from entrypoints.rest.replies import JSON


@dataclass(frozen=True, slots=True)
class BodyReader:
    """Reads bodies of one of `media_types`, of at most `max_bytes`, that arrive within `timeout` seconds.

    Framework and server look at neither the content's type and encoding nor the time.
    """

    max_bytes: int
    timeout: float
    media_types: Sequence[str] = (JSON,)

    async def read(self, scope: Scope, receive: Receive) -> tuple[str, bytes]:
        """Return the media type and the whole body. Raises `HttpProblem` with 400, 408, 413 or 415."""
        headers = dict(scope["headers"])
        media_type = self._media_type(headers)
        if int(headers.get(b"content-length", b"0")) > self.max_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self.timeout):
                return media_type, await self._collect(receive)
        except TimeoutError:
            raise HttpProblem(
                HTTPStatus.REQUEST_TIMEOUT,
                f"The body did not arrive within {self.timeout:g} seconds.",
                headers={"connection": "close"},
            ) from None

    async def _collect(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise HttpProblem(HTTPStatus.BAD_REQUEST, "The connection was closed within the body.")
            chunk = message.get("body", b"")
            chunks.append(chunk)
            size += len(chunk)
            if size > self.max_bytes:
                raise self._too_large()
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _too_large(self) -> HttpProblem:
        return HttpProblem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body must not be larger than {self.max_bytes} bytes."
        )

    def _media_type(self, headers: Mapping[bytes, bytes]) -> str:
        media_type, charsets = _parse_type(headers.get(b"content-type", b"").decode("latin-1").lower())
        if media_type not in self.media_types or not charsets <= {"utf-8", "utf8"}:
            raise HttpProblem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"The content type must be {' or '.join(self.media_types)} in UTF-8.",
                headers={"accept": ", ".join(self.media_types)},
            )
        _require_identity(headers)
        return media_type


def _require_identity(headers: Mapping[bytes, bytes]) -> None:
    if headers.get(b"content-encoding", b"").lower() not in (b"", b"identity"):
        raise HttpProblem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The body must not be compressed.",
            headers={"accept-encoding": "identity"},
        )


def _parse_type(content_type: str) -> tuple[str, set[str]]:
    """Split a media type from the values of its parameter `charset`."""
    media_type, *parameters = (part.strip() for part in content_type.split(";"))
    charsets = {parameter.removeprefix("charset=").strip('"') for parameter in parameters if "charset" in parameter}
    return media_type, charsets
