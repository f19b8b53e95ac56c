"""Reads a request's body as bytes; checks its media type, encoding and size."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from litestar.types import Receive, Scope

from entrypoints.http.headers import Headers
from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests.encodings import TooLarge, encoding_of, inflate
from entrypoints.http.requests.memory_budget import Reserve
from entrypoints.http.responses import JSON

_BOM = "\ufeff".encode()
"""The byte order mark that some editors and libraries write before a body."""


@dataclass(frozen=True, slots=True)
class BodyReader:
    """Reads bodies of at most `max_bytes`, compressed and decompressed, with one of `media_types`.

    The server enforces the time limits of bodies; neither it nor the framework checks type and encoding.
    """

    max_bytes: int
    media_types: Sequence[str] = (JSON,)

    async def read(
        self, scope: Scope, receive: Receive, headers: Headers, reserve: Reserve = lambda _: None
    ) -> tuple[str, bytes]:
        """Return the media type and the whole body, decompressed and without a byte order mark.

        Calls `reserve` for the bytes that it keeps. Raises `HttpProblem` with 400, 413 or 415.
        """
        media_type = _utf8_type(headers.get(b"content-type", b""))
        if media_type not in self.media_types:
            raise HttpProblem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"The content type must be {' or '.join(self.media_types)} in UTF-8.",
                headers=[(b"accept", ", ".join(self.media_types).encode())],
            )
        encoding = encoding_of(scope["headers"]) if b"content-encoding" in headers else "identity"
        if int(headers.get(b"content-length", b"0")) > self.max_bytes:
            raise self._too_large()
        body = await self._collect(receive, reserve)
        if encoding != "identity":
            try:
                body = await inflate(body, encoding, self.max_bytes)
            except TooLarge:
                raise self._too_large(" once it is inflated") from None
            reserve(len(body))
        return media_type, body.removeprefix(_BOM)

    async def _collect(self, receive: Receive, reserve: Reserve) -> bytes:
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
            reserve(len(chunk))
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _too_large(self, when: str = "") -> HttpProblem:
        return HttpProblem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body must not be larger than {self.max_bytes} bytes{when}."
        )


@lru_cache(maxsize=64)
def _utf8_type(content_type: bytes) -> str:
    """Return the media type in lower case; empty if the parameter `charset` is not UTF-8."""
    media_type, *parameters = (part.strip() for part in content_type.decode("latin-1").lower().split(";"))
    charsets = {parameter.removeprefix("charset=").strip('"') for parameter in parameters if "charset" in parameter}
    return media_type if charsets <= {"utf-8", "utf8"} else ""
