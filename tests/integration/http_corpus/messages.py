"""Requests as bytes, and their parts."""

EVENT = b'{"userId":"u","eventType":"LOGIN"}'
GET = b"GET /health HTTP/1.1"
POST = b"POST /events/generate HTTP/1.1"
HOST = b"Host: api"
JSON = b"Content-Type: application/json"
OFFER = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAEAAEAA")

NUMBER = b"X-Request-ID: ?"
"""A placeholder for the id of the request."""


def request(line: bytes = GET, *fields: bytes, body: bytes = b"", host: bytes | None = HOST) -> bytes:
    """Write a request with a placeholder for its id; `body` follows the headers unchanged."""
    lines = [line, NUMBER, *([host] if host is not None else []), *fields]
    return b"\r\n".join([*lines, b"", body])


def post(*fields: bytes, body: bytes, line: bytes = POST) -> bytes:
    """Write a request that publishes an event; `fields` contain the framing."""
    return request(line, JSON, *fields, body=body)


def event(*fields: bytes) -> bytes:
    """Write such a request with Content-Length."""
    return post(b"Content-Length: %d" % len(EVENT), *fields, body=EVENT)


def in_chunks(*chunks: bytes) -> bytes:
    """Write chunks, without the last one."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = in_chunks(EVENT[:7], EVENT[7:])
LAST_CHUNK = b"0\r\n\r\n"
