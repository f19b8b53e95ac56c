"""The HTTP protocol: each request is answered once and in order, or the connection closes."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from litestar.types import ASGIApp

from tests.fuzz.connection import Exchange, exchange
from tests.fuzz.damage import damaged
from tests.fuzz.echoes import early_echo, echo, streamed_echo
from tests.fuzz.grammar import Request, cut, requests

_FRAGMENTS = [
    *[b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"\xff", b"0", b"-", b"+"],
    *[b"0\r\n\r\n", b"Content-Length: 5\r\n", b"Content-Length: 5, 5\r\n", b"Transfer-Encoding: chunked\r\n"],
    *[b"Transfer-Encoding: gzip, chunked\r\n", b"Host: x\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n"],
    *[b"ffffffffffffffff\r\n", b"00000000000000001\r\n", b"\r\n folded", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9"],
    *[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"CONNECT h:1 HTTP/1.1\r\n", b"BREW / ", b"x" * 70_000],
    b"Content-Length: " + b"0" * 5_000 + b"1\r\n",
]
streams = st.lists(requests(), min_size=1, max_size=4)
places = st.lists(st.integers(0, 1 << 16), max_size=6) | st.just(range(200))
turns = st.integers(0, 4)


@given(sent=streams, places=places, turns=turns, app=st.sampled_from([echo, streamed_echo]))
async def test_requests_are_answered_once_and_in_order(
    sent: list[Request], places: list[int], turns: int, app: ASGIApp
) -> None:
    """However TCP splits them, until one closes the connection; only HTTP/1.1 gets chunks."""
    came = await exchange(app, cut(b"".join(each.written for each in sent), places), turns=turns)
    last = next((place for place, each in enumerate(sent) if each.closes), len(sent))
    answered = sent[: last + 1]
    assert [answer.status for answer in came.answers] == [200] * len(answered)
    assert [answer.body for answer in came.answers] == [each.echo for each in answered]
    assert came.ended_by_server == any(each.closes for each in sent)
    for request, answer in zip(answered, came.answers, strict=True):
        assert request.version == b"1.1" or b"transfer-encoding" not in answer.fields


@given(sent=streams, places=places, turns=turns)
async def test_early_responses_are_in_order_or_close_connection(
    sent: list[Request], places: list[int], turns: int
) -> None:
    """Unread content is never parsed as the next request."""
    came = await exchange(early_echo, cut(b"".join(each.written for each in sent), places), turns=turns)
    heads = [replace(each, body=b"").echo for each in sent]
    assert [answer.body for answer in came.answers] == heads[: len(came.answers)]
    assert came.ended_by_server or len(came.answers) == len(sent)


@given(
    stream=damaged(streams.map(lambda sent: b"".join(each.written for each in sent)), _FRAGMENTS, most=2),
    places=places,
    turns=turns,
)
async def test_damaged_requests_get_same_responses_at_any_split(stream: bytes, places: list[int], turns: int) -> None:
    """The responses are well-formed, no more than there are requests, and a rejection closes the connection."""
    whole = await exchange(echo, [stream])
    pieces = await exchange(echo, cut(stream, places), turns=turns)
    assert outline(pieces) == outline(whole)
    for came in (whole, pieces):
        assert all(answer.status in {200, 400, 431, 501, 505} for answer in came.answers)
        assert all(answer.status == 200 for answer in came.answers[:-1])
        if came.answers and came.answers[-1].status != 200:
            assert came.answers[-1].closes


def outline(came: Exchange) -> list[tuple[int, bytes]]:
    """Remove the parts of responses that always differ."""
    return [(answer.status, answer.body if answer.status == 200 else b"") for answer in came.answers]
