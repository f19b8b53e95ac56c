"""HTTP/1.1 for clients that offer another protocol, such as JDK's, which asks for h2c with its first request."""

import httptools

from entrypoints.http.server.writes import OneWriteProtocol

_FRAMING = (b"content-length", b"transfer-encoding")


class UpgradeIgnoringProtocol(OneWriteProtocol):
    """Ignores offers to upgrade and reads on in HTTP/1.1, as RFC 9110, section 7.8, lets a server do.

    The parser takes a request with an offer to end with its head, and all that follows, the body included, for the
    other protocol; read as HTTP it would be the next request. So the parser is told the framing of the body once
    more, in a head without an offer. It has to be a new parser: the old one may be past a connection's last request.
    """

    _is_repeating_head = False

    def data_received(self, data: bytes) -> None:
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                except httptools.HttpParserUpgrade as offer:
                    # The data up to the end of a head with an offer has been parsed.
                    data = data[offer.args[0] :]
                    if framing := self._framing():
                        self._repeat_head(framing)
                else:
                    break
        except httptools.HttpParserError as error:
            # Of a callback's error the parser says nothing; it can only be one about the target.
            reason = "Invalid target" if isinstance(error, httptools.HttpParserCallbackError) else str(error)
            self.send_400_response(f"The request is not valid HTTP/1.1: {reason}.")
        self._unset_keepalive_if_required()

    def on_headers_complete(self) -> None:
        if not self._is_repeating_head:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not (self.parser.should_upgrade() and self._framing()):
            super().on_message_complete()

    def _repeat_head(self, framing: list[tuple[bytes, bytes]]) -> None:
        # The request has been made of the head already: what the parser's other callbacks collect now is of no use.
        if not self.cycle.keep_alive:
            framing = [*framing, (b"connection", b"close")]
        fields = b"".join(b"%b: %b\r\n" % field for field in framing)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._is_repeating_head = True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + fields + b"\r\n")
        self._is_repeating_head = False

    def _framing(self) -> list[tuple[bytes, bytes]]:
        return [field for field in self.headers if field[0] in _FRAMING]
