"""Host, framing and the connection's end, field by field."""

import tracemalloc
from http import HTTPStatus

import pytest

from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.field_rules import Framing, check_fields, field_of, is_host

HOST = (b"host", b"api")


@pytest.mark.parametrize(
    "value",
    [b"", b"api", b"api:3000", b"api:", b"127.0.0.1:80", b"[::1]", b"[::1]:3000", b"[::ffff:1.2.3.4]", b"a_b.c-d~%20"],
)
def test_host_is_taken(value: bytes) -> None:
    """RFC 3986, section 3.2.2."""
    assert is_host(value)


@pytest.mark.parametrize(
    "value",
    [
        b"a b",
        b"a, b",
        b"a/b",
        b"u@a",
        b"a:b",
        b"a:1:2",
        b"::1",
        b"[::1",
        b"[]",
        b"[1.2.3.4]",
        b"[::1]x",
        b"%zz",
        b"\xff",
    ],
)
def test_malformed_host_is_told_apart(value: bytes) -> None:
    """It may be meant for somebody who reads it otherwise."""
    assert not is_host(value)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([], 400),
        ([HOST, HOST], 400),
        ([(b"host", b"a b")], 400),
        ([HOST, (b"content-length", b"1e3")], 400),
        ([HOST, (b"content-length", b"9" * 19)], 400),
        ([HOST, (b"transfer-encoding", b"")], 400),
        ([HOST, (b"transfer-encoding", b"chunked, chunked")], 400),
        ([HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], 400),
        ([HOST, (b"transfer-encoding", b"gzip, chunked")], 501),
        ([HOST, (b"transfer-encoding", b"gzip"), (b"transfer-encoding", b"chunked")], 501),
        ([HOST, (b"transfer-encoding", b"identity")], 501),
    ],
)
def test_wrong_fields_are_refused(fields: list[tuple[bytes, bytes]], status: int) -> None:
    """RFC 9112, sections 3.2 and 6."""
    with pytest.raises(HttpProblem) as refusal:
        check_fields(fields, is_1_0=False)
    assert refusal.value.status == status


@pytest.mark.parametrize("fields", [[HOST, HOST], [(b"transfer-encoding", b"chunked")]])
def test_http_1_0_has_rules_of_its_own(fields: list[tuple[bytes, bytes]]) -> None:
    """It may do without Host, and has no transfer codings."""
    with pytest.raises(HttpProblem) as refusal:
        check_fields(fields, is_1_0=True)
    assert refusal.value.status == 400
    assert check_fields([], is_1_0=True) == Framing(0, expects_continue=False, is_kept=False)


@pytest.mark.parametrize(
    ("field", "framing"),
    [
        ((b"accept", b"*/*"), Framing(0, expects_continue=False, is_kept=True)),
        ((b"content-length", b"007"), Framing(7, expects_continue=False, is_kept=True)),
        ((b"content-length", b"0" * 5000), Framing(0, expects_continue=False, is_kept=True)),
        ((b"transfer-encoding", b"Chunked"), Framing(None, expects_continue=False, is_kept=True)),
        ((b"expect", b"100-continue"), Framing(0, expects_continue=False, is_kept=True)),
        ((b"connection", b"upgrade , Close"), Framing(0, expects_continue=False, is_kept=False)),
        ((b"connection", b"closed"), Framing(0, expects_continue=False, is_kept=True)),
    ],
)
def test_fields_say_what_follows(field: tuple[bytes, bytes], framing: Framing) -> None:
    """The content, and whether the connection goes on."""
    assert check_fields([HOST, field], is_1_0=False) == framing


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"X-A:b", (b"x-a", b"b")),
        (b"a: \t b c \t", (b"a", b"b c")),
        (b"a:", (b"a", b"")),
        (b"a: \t ", (b"a", b"")),
        (b"a:" + b"\xff" * 200, (b"a", b"\xff" * 200)),
        (b"Host: api:80 ", (b"host", b"api:80")),
    ],
)
def test_field_is_read(line: bytes, field: tuple[bytes, bytes]) -> None:
    """The first time and again."""
    assert [field_of(line), field_of(line)] == [field, field]


@pytest.mark.parametrize("line", [b"", b":b", b"a", b"a :b", b" a:b", b"a:b\r", b"a:b\n", b"a:\0", b"a b:c", b"\xe4:b"])
def test_what_is_no_field_is_refused(line: bytes) -> None:
    """The first time and again."""
    for _ in range(2):
        with pytest.raises(HttpProblem) as refused:
            field_of(line)
        assert refused.value.status == HTTPStatus.BAD_REQUEST


def test_long_fields_are_kept_by_nobody() -> None:
    """However many different ones come."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(100):
            field = field_of(b"connection: %d" % number + b"," * 30_000)
            check_fields([HOST, field], is_1_0=False)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 100_000
