"""A strict HTTP/1.1 client parser (RFC 9112); libraries are more lenient."""

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

Framing = Literal["none", "length", "chunked", "close"]

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [\t\x20-\x7e]*\r\n")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?((?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?)\r\n")
_LENGTH = re.compile(r"[0-9]+")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]+)\r\n")
_ONLY_ONCE = frozenset({"content-length", "transfer-encoding", "content-type", "date", "connection", "x-request-id"})


class Malformed(AssertionError):
    """The bytes are not valid HTTP/1.1 responses."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; it may be interim (1xx)."""

    status: int
    fields: dict[str, str]
    """By their names in lower case."""
    content: bytes
    framing: Framing
    """How the end of the content was determined."""

    @property
    def is_final(self) -> bool:
        """Whether it is the final response to its request."""
        return self.status >= 200

    @property
    def is_last(self) -> bool:
        """Whether it says `Connection: close`."""
        return "close" in self.fields.get("connection", "").lower()


def read_answers(sent: bytes, *, ended: bool, heads: Container[int] = ()) -> list[Answer]:
    """Read all of what a server sent on a connection, which has `ended` or not.

    `heads` are the places of final answers to HEAD requests, from 0. Raises `Malformed` for anything but whole answers,
    the last of which says that it is the last if anything says so.
    """
    answers: list[Answer] = []
    finals = place = 0
    while place < len(sent):
        if answers and answers[-1].is_last:
            raise Malformed(f"more after the last answer: {sent[place:]!r}")
        answer, place = _answer(sent, place, to_head=finals in heads, ended=ended)
        answers.append(answer)
        finals += answer.is_final
    return answers


def _answer(sent: bytes, place: int, *, to_head: bool, ended: bool) -> tuple[Answer, int]:
    status_line = _match(_STATUS_LINE, sent, place, "no status line")
    status, place = int(status_line[1]), status_line.end()
    fields, place = _fields(sent, place)
    framing = _framing(status, fields, to_head=to_head)
    if framing == "close":
        if not ended:
            raise Malformed("content until the end of a connection that goes on")
        content, place = sent[place:], len(sent)
    elif framing == "length":
        end = place + int(fields["content-length"])
        content, place = sent[place:end], end
    elif framing == "chunked":
        content, place = _chunks(sent, place)
    else:
        content = b""
    if place > len(sent):
        raise Malformed(f"the content of a {status} breaks off")
    return Answer(status, fields, content, framing), place


def _fields(sent: bytes, place: int) -> tuple[dict[str, str], int]:
    fields: dict[str, str] = {}
    while not sent.startswith(b"\r\n", place):
        field = _match(_FIELD, sent, place, "no header")
        name, value = field[1].decode().lower(), field[2].decode()
        if name in fields and name in _ONLY_ONCE:
            raise Malformed(f"{name} twice")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
        place = field.end()
    return fields, place + 2


def _framing(status: int, fields: dict[str, str], *, to_head: bool) -> Framing:
    """RFC 9112, section 6.3."""
    coding, length = fields.get("transfer-encoding"), fields.get("content-length")
    if coding is not None and (coding.lower() != "chunked" or length is not None):
        raise Malformed(f"transfer-encoding {coding} and content-length {length}")
    if length is not None and not _LENGTH.fullmatch(length):
        raise Malformed(f"content-length {length}")
    if status < 200 or status == 204:
        if coding is not None or length is not None:
            raise Malformed(f"a {status} tells of content")
        return "none"
    if to_head or status == 304:
        return "none"
    return "chunked" if coding is not None else "close" if length is None else "length"


def _chunks(sent: bytes, place: int) -> tuple[bytes, int]:
    chunks: list[bytes] = []
    while True:
        size_line = _match(_CHUNK_SIZE, sent, place, "no chunk size")
        size, place = int(size_line[1], 16), size_line.end()
        if size == 0:
            _, place = _fields(sent, place)
            return b"".join(chunks), place
        chunks.append(sent[place : place + size])
        place += size
        if not sent.startswith(b"\r\n", place):
            raise Malformed("a chunk does not end where it should")
        place += 2


def _match(pattern: re.Pattern[bytes], sent: bytes, place: int, otherwise: str) -> re.Match[bytes]:
    if (found := pattern.match(sent, place)) is None:
        raise Malformed(f"{otherwise}: {sent[place : place + 100]!r}")
    return found
