"""Responses as h11 parses them, a strict client that shares no code with the server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import h11


@dataclass(frozen=True)
class Answer:
    """One final response."""

    status: int
    body: bytes
    fields: Mapping[bytes, bytes]
    """By their names in lower case."""

    @property
    def closes(self) -> bool:
        """Whether it says `Connection: close`."""
        return self.fields.get(b"connection", b"").lower() == b"close"


def read_answers(stream: bytes, methods: Sequence[str]) -> list[Answer]:
    """Parse the responses to requests with these methods, and at most one more, which may answer a HEAD request."""
    try:
        return _read_all(stream, [*methods, "GET"])
    except h11.RemoteProtocolError:
        return _read_all(stream, [*methods, "HEAD"])


def _read_all(stream: bytes, methods: Sequence[str]) -> list[Answer]:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    connection.receive_data(stream)
    if stream:
        connection.receive_data(b"")
    answers: list[Answer] = []
    while connection.trailing_data[0]:
        if answers:
            connection.start_next_cycle()
        assert len(answers) < len(methods), "more answers than requests"
        answers.append(_read(connection, methods[len(answers)]))
    return answers


def _read(connection: h11.Connection, method: str) -> Answer:
    connection.send(h11.Request(method=method, target="/", headers=[("host", "h")]))
    connection.send(h11.EndOfMessage())
    status, fields, body = 0, {}, b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        match event:
            case h11.Response():
                status, fields = event.status_code, dict(event.headers)
                assert len(fields) == len(event.headers), "a field is repeated"
            case h11.Data():
                body += event.data
            case h11.InformationalResponse():
                assert event.status_code == 100
            case _:
                raise AssertionError(event)
    return Answer(status, body, fields)
