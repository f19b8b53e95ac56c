"""The clients' HTTP requests, rendered beforehand."""

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from benchmarks.events import Size, Variant, events

EVENTS_PER_BATCH = 500

_SINGLE = 5_000
"""The number of different requests, which clients repeat; each makes an event with a new id."""
_BATCHES = 20
_ENCODER = msgspec.json.Encoder()


class _Body(msgspec.Struct, rename="camel"):
    user_id: str
    event_type: str
    payload: msgspec.Raw


def single_requests(size: Size) -> Sequence[bytes]:
    """Render requests with one event each."""
    return [_post(b"/events/generate", _ENCODER.encode(body)) for body in _bodies(size, _SINGLE)]


def batch_requests(size: Size) -> Sequence[bytes]:
    """Render requests with `EVENTS_PER_BATCH` events each."""
    bodies = _bodies(size, _BATCHES * EVENTS_PER_BATCH)
    return [_post(b"/events/batch", _ENCODER.encode(list(islice(bodies, EVENTS_PER_BATCH)))) for _ in range(_BATCHES)]


def _bodies(size: Size, count: int) -> Iterator[_Body]:
    for event in events(Variant("v7", size), count):
        yield _Body(event.user_id, event.event_type, msgspec.Raw(event.payload))


def _post(path: bytes, body: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (path, len(body)) + body
