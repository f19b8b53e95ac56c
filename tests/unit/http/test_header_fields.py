"""Header fields: syntax, Host, framing and persistence."""

from http import HTTPStatus

import pytest

from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.header_fields import (
    MAX_FIELDS,
    HeaderSection,
    is_host,
    parse_field_lines,
    parse_header_section,
)

HOST = (b"host", b"api")


def parse(*fields: tuple[bytes, bytes], version: str = "1.1") -> HeaderSection:
    """Parse a header section of these fields."""
    return parse_header_section(b"".join(b"%b: %b\r\n" % field for field in fields), version)


@pytest.mark.parametrize(
    "value",
    [b"", b"api", b"api:3000", b"api:", b"127.0.0.1:80", b"[::1]", b"[::1]:3000", b"[::ffff:1.2.3.4]", b"a_b.c-d~%20"],
)
def test_valid_host_is_accepted(value: bytes) -> None:
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
def test_malformed_host_is_detected(value: bytes) -> None:
    """Another server could interpret it differently."""
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
def test_invalid_fields_are_rejected(fields: list[tuple[bytes, bytes]], status: int) -> None:
    """RFC 9112, sections 3.2 and 6."""
    with pytest.raises(HttpProblem) as refusal:
        parse(*fields)
    assert refusal.value.status == status


@pytest.mark.parametrize("fields", [[HOST, HOST], [(b"transfer-encoding", b"chunked")]])
def test_http_1_0_has_own_rules(fields: list[tuple[bytes, bytes]]) -> None:
    """Host is optional, and there are no transfer codings."""
    with pytest.raises(HttpProblem) as refusal:
        parse(*fields, version="1.0")
    assert refusal.value.status == 400
    assert parse(version="1.0") == HeaderSection((), 0, expects_continue=False, keep_alive=False)


@pytest.mark.parametrize(
    ("field", "framing"),
    [
        ((b"accept", b"*/*"), (0, False, True)),
        ((b"content-length", b"007"), (7, False, True)),
        ((b"content-length", b"0" * 5000), (0, False, True)),
        ((b"transfer-encoding", b"Chunked"), (None, False, True)),
        ((b"expect", b"100-continue"), (0, False, True)),
        ((b"connection", b"upgrade , Close"), (0, False, False)),
        ((b"connection", b"closed"), (0, False, True)),
    ],
)
def test_fields_determine_framing_and_persistence(
    field: tuple[bytes, bytes], framing: tuple[int | None, bool, bool]
) -> None:
    """The content length, and whether the connection stays open."""
    section = parse(HOST, field)
    assert (section.content_length, section.expects_continue, section.keep_alive) == framing


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
def test_field_line_is_parsed(line: bytes, field: tuple[bytes, bytes]) -> None:
    """Without white space around the value, with the name in lower case."""
    assert parse_field_lines(line + b"\r\n") == [field]


@pytest.mark.parametrize("line", [b"", b":b", b"a", b"a :b", b" a:b", b"a:b\r", b"a:b\n", b"a:\0", b"a b:c", b"\xe4:b"])
def test_malformed_field_line_gets_400(line: bytes) -> None:
    """Alone, and behind another field."""
    for before in (b"", b"a: b\r\n"):
        with pytest.raises(HttpProblem) as refused:
            parse_field_lines(before + line + b"\r\n")
        assert refused.value.status == HTTPStatus.BAD_REQUEST


def test_header_section_may_have_256_fields() -> None:
    """A request line and the empty line at the end do not count."""
    assert len(parse_header_section(b"Host: api\r\n" + b"a:\r\n" * (MAX_FIELDS - 1), "1.1").fields) == MAX_FIELDS


@pytest.mark.parametrize("count", [MAX_FIELDS, 16_000])
def test_more_fields_get_431(count: int) -> None:
    """Even if they are short: each takes thirty times its bytes in memory."""
    with pytest.raises(HttpProblem, match=f"more than {MAX_FIELDS} fields") as error:
        parse_header_section(b"Host: api\r\n" + b"a:\r\n" * count, "1.1")
    assert error.value.status is HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
