"""Splits the byte streams of Kafka and PostgreSQL clients into requests, with the kind of each."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, NamedTuple


class Request(NamedTuple):
    """A whole request, byte for byte."""

    kind: str
    data: bytes


Framing = Callable[[asyncio.StreamReader], AsyncIterator[Request]]
"""Splits the stream of one client; raises `asyncio.IncompleteReadError` at its end."""

_KAFKA_KINDS: Final = {
    0: "Produce",
    1: "Fetch",
    3: "Metadata",
    8: "OffsetCommit",
    11: "JoinGroup",
    12: "Heartbeat",
    13: "LeaveGroup",
}
_INDEX_GROUP: Final = b"-group.dead-letters"
"""How the name ends of the group that reads dead letters into the index."""
_NEGOTIATIONS: Final = {80877103, 80877104}
"""Requests for TLS and GSSAPI, which precede the start of a session in the same form."""


async def kafka_requests(reader: asyncio.StreamReader) -> AsyncIterator[Request]:
    """Name requests as Kafka's protocol does; unused kinds are "other", those of the index's group "index"."""
    while True:
        length = await reader.readexactly(4)
        body = await reader.readexactly(int.from_bytes(length))
        kind = _KAFKA_KINDS.get(int.from_bytes(body[:2]), "other")
        yield Request(f"index {kind}" if _INDEX_GROUP in body else kind, length + body)


async def postgres_messages(reader: asyncio.StreamReader) -> AsyncIterator[Request]:
    """Name a statement by its first word, such as COPY, and any other message by its type's letter.

    One that begins with a common table expression has its name as well, as in "WITH noted".
    The end of a COPY, with which a batch commits, is named CopyDone.
    """
    code = 0
    while code in {0, *_NEGOTIATIONS}:
        head = await reader.readexactly(8)
        code = int.from_bytes(head[4:])
        yield Request("start", head + await reader.readexactly(int.from_bytes(head[:4]) - len(head)))
    while True:
        head = await reader.readexactly(5)
        body = await reader.readexactly(int.from_bytes(head[1:]) - 4)
        yield Request(_postgres_kind(head[:1], body), head + body)


def _postgres_kind(letter: bytes, body: bytes) -> str:
    if letter == b"c":
        return "CopyDone"
    if letter not in {b"Q", b"P"}:
        return letter.decode()
    # A statement to be prepared has its name in front.
    statement = body.split(b"\0")[0 if letter == b"Q" else 1].decode()
    words = statement.replace(";", " ").split()
    kind = words[0].upper() if words else ""
    return f"{kind} {words[1]}" if kind == "WITH" else kind
