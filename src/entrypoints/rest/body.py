"""Read a request's body as bytes, within limits on its type, its size and the time it takes to arrive."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from litestar.types import Receive, Scope

from entrypoints.rest.encodings import TooLarge, encoding_of, inflate
from entrypoints.rest.problems import HttpProblem
from entrypoints.rest.replies import JSON
from entrypoints.rest.room import Take

WHOLE_BODY = "whole_body"
"""In a request's state: the `bytearray` that has all of the body, where nothing has to be waited for any more."""


@dataclass(frozen=True, slots=True)
class BodyReader:
    """Reads bodies of one of `media_types`, of at most `max_bytes`, that arrive within `timeout` seconds.

    The bound counts for what arrives and again for what it is inflated to.

    Framework and server look at neither the content's type and encoding nor the time.
    """

    max_bytes: int
    timeout: float
    media_types: Sequence[str] = (JSON,)

    async def read(self, scope: Scope, receive: Receive, take: Take = lambda _: None) -> tuple[str, bytes]:
        """Return the media type and the whole body, inflated. Raises `HttpProblem` with 400, 408, 413 or 415.

        `take` is asked for room for what is kept.
        """
        headers = dict(scope["headers"])
        media_type = self._media_type(headers)
        encoding = encoding_of(scope["headers"]) if b"content-encoding" in headers else "identity"
        if int(headers.get(b"content-length", b"0")) > self.max_bytes:
            raise self._too_large()
        whole: bytearray | None = scope["state"].get(WHOLE_BODY)
        body = await self._await(receive, take) if whole is None else self._take_over(whole, take)
        if encoding == "identity":
            return media_type, body
        try:
            inflated = await inflate(body, encoding, self.max_bytes)
        except TooLarge:
            raise self._too_large(" once it is inflated") from None
        take(len(inflated))
        return media_type, inflated

    def _take_over(self, whole: bytearray, take: Take) -> bytes:
        """Spare nearly every request a timer and the server's events, which take as long as all else here."""
        body = bytes(whole)
        # The connection keeps it otherwise, also where it is refused.
        whole.clear()
        if len(body) > self.max_bytes:
            raise self._too_large()
        take(len(body))
        return body

    async def _await(self, receive: Receive, take: Take) -> bytes:
        try:
            async with asyncio.timeout(self.timeout):
                return await self._collect(receive, take)
        except TimeoutError:
            raise HttpProblem(
                HTTPStatus.REQUEST_TIMEOUT,
                f"The body did not arrive within {self.timeout:g} seconds.",
                headers={"connection": "close"},
            ) from None

    async def _collect(self, receive: Receive, take: Take) -> bytes:
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
            take(len(chunk))
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _too_large(self, when: str = "") -> HttpProblem:
        return HttpProblem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body must not be larger than {self.max_bytes} bytes{when}."
        )

    def _media_type(self, headers: Mapping[bytes, bytes]) -> str:
        media_type, charsets = _parse_type(headers.get(b"content-type", b""))
        if media_type not in self.media_types or not charsets <= {"utf-8", "utf8"}:
            raise HttpProblem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"The content type must be {' or '.join(self.media_types)} in UTF-8.",
                headers={"accept": ", ".join(self.media_types)},
            )
        return media_type


@lru_cache(maxsize=64)
def _parse_type(content_type: bytes) -> tuple[str, frozenset[str]]:
    """Split a media type from the values of its parameter `charset`, all in lower case."""
    media_type, *parameters = (part.strip() for part in content_type.decode("latin-1").lower().split(";"))
    charsets = frozenset(
        parameter.removeprefix("charset=").strip('"') for parameter in parameters if "charset" in parameter
    )
    return media_type, charsets
