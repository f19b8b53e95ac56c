"""A head of very many fields, each of which costs thirty times its bytes in memory."""

from http import HTTPStatus

import pytest

from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.header_fields import MAX_FIELDS
from entrypoints.http.server.request_parser import ParsedRequest, RequestParser


def read(fields: bytes) -> object:
    """Read a request with such fields."""
    reader = RequestParser()
    reader.feed(b"GET / HTTP/1.1\r\nHost: api\r\n" + fields + b"\r\n")
    return reader.read()


def test_head_may_have_hundreds_of_fields() -> None:
    """Its line and the empty one at the end are none."""
    head = read(b"a:\r\n" * (MAX_FIELDS - 1))
    assert isinstance(head, ParsedRequest)
    assert len(head.headers) == MAX_FIELDS


@pytest.mark.parametrize("count", [MAX_FIELDS, 16_000])
def test_head_of_more_fields_is_refused(count: int) -> None:
    """Also where it is short in bytes."""
    with pytest.raises(HttpProblem, match=f"more than {MAX_FIELDS} fields") as refusal:
        read(b"a:\r\n" * count)
    assert refusal.value.status is HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
