"""What the server offers for a request that has come whole, beside ASGI's events, which take several times as long."""

from collections.abc import Awaitable, Callable

import msgspec

from entrypoints.http.headers import Fields

WHOLE_REQUEST = "whole_request"
"""Where a request's state has its `WholeRequest`, once it is one."""


class WholeRequest(msgspec.Struct, frozen=True):
    """A request of which nothing is awaited any more."""

    body: bytearray
    """All of it, unless some was received by ASGI's events. Whoever takes it clears it, as the connection keeps it."""
    answer: Callable[[int, Fields, bytes], Awaitable[None]]
    """Sends the one answer whole: status, headers and body, which nobody checks any more. Not for HEAD requests."""
