"""A body that the server has whole is taken over, and once it is read not left with it."""

from http import HTTPStatus
from typing import Any

import pytest

from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests.body import BodyReader
from entrypoints.http.requests.room import Take
from entrypoints.http.whole_request import WHOLE_REQUEST, WholeRequest

HEADERS = {b"content-type": b"application/json"}


async def receive() -> Any:
    raise AssertionError("nothing has to be waited for")


async def answer(*_: object) -> None:
    raise AssertionError("reading is no answer")


def refuse(_: int) -> None:
    raise HttpProblem(HTTPStatus.SERVICE_UNAVAILABLE, "no room")


def scope_with(whole: bytearray) -> Any:
    return {"headers": [*HEADERS.items()], "state": {WHOLE_REQUEST: WholeRequest(whole, answer)}}


async def test_whole_body_is_taken_over() -> None:
    """Nothing is waited for."""
    whole = bytearray(b"x" * 10)
    assert await BodyReader(10, 1.0).read(scope_with(whole), receive, HEADERS) == ("application/json", b"x" * 10)
    assert not whole


@pytest.mark.parametrize(("size", "take", "status"), [(11, lambda _: None, 413), (10, refuse, 503)])
async def test_refused_body_does_not_stay_with_the_connection(size: int, take: Take, status: int) -> None:
    """Idle connections would keep it."""
    whole = bytearray(b"x" * size)
    with pytest.raises(HttpProblem) as refused:
        await BodyReader(10, 1.0).read(scope_with(whole), receive, HEADERS, take)
    assert refused.value.status == status
    assert not whole
