"""HTTP/1.1 with one write for an answer's head and the beginning of its body.

The server makes two of them, each a call of the system that costs a tenth of what a request does. ASGI wants a server
to keep the head back anyway.
"""

from asyncio import Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class OneWriteProtocol(HttpToolsProtocol):
    """Keeps an answer's head back until its body begins or turns out to be empty."""

    _answers: "_Answers"

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._answers = _Answers(transport)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.cycle.transport = self._answers  # type: ignore[assignment]  # all of a transport that is used there

    def on_response_complete(self) -> None:
        self._answers.end_one()
        super().on_response_complete()


class _Answers:
    """What the answers of one connection, which come one after the other, are written to."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._is_at_head = True
        self._head = b""
        """What is kept back."""

    def write(self, data: bytes) -> None:
        if self._is_at_head and data != _CONTINUE:
            self._is_at_head = False
            self._head = data
        else:
            self._transport.write(self._head + data if self._head else data)
            self._head = b""

    def end_one(self) -> None:
        """Send a head that no body followed; another answer's comes next."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._is_at_head = True

    def close(self) -> None:
        self.end_one()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()
