"""A client that reads pages of stored events, one after the other over one connection."""

import re
import time
from http import HTTPStatus
from http.client import HTTPConnection
from random import Random

from benchmarks.apart import apart
from benchmarks.events import USERS

_FIRST = "/events/processed?limit=100"
_NEXT = re.compile(r'<([^>]+)>; rel="next"')
_WARM_UP = 10
_MILLISECONDS = 1_000


async def list_pages(port: int, *, requests: int, page: int) -> dict[str, list[float]]:
    """Return the milliseconds of each response, by kind of page; `page` is the number of the far one."""
    return await apart(_list, port, requests, page)


def _list(port: int, requests: int, page: int) -> dict[str, list[float]]:
    connection = HTTPConnection("127.0.0.1", port)
    random = Random(page)
    users = [f"{_FIRST}&userId=user-{random.randrange(USERS):05}" for _ in range(requests)]
    far = _follow(connection, page)
    return {
        "page-1": _times(connection, requests * [_FIRST]),
        "page-1000": _times(connection, requests * [far]),
        "by-user": _times(connection, users),
    }


def _follow(connection: HTTPConnection, page: int) -> str:
    """Go from page to page as a client does; return the address of the last one."""
    target = _FIRST
    for _ in range(page - 1):
        link = _NEXT.search(_get(connection, target))
        if link is None:
            raise ValueError(f"there are fewer than {page} pages")
        target = link[1]
    return target


def _times(connection: HTTPConnection, targets: list[str]) -> list[float]:
    for target in targets[:_WARM_UP]:
        _get(connection, target)
    times = []
    for target in targets:
        started = time.perf_counter()
        _get(connection, target)
        times.append((time.perf_counter() - started) * _MILLISECONDS)
    return times


def _get(connection: HTTPConnection, target: str) -> str:
    """Read a page; return its `Link` header."""
    connection.request("GET", target)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != HTTPStatus.OK:
        raise ValueError(f"{target} was answered with {answer.status} and {len(body)} bytes")
    return answer.getheader("link", "")
