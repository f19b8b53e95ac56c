"""JSON as bytes of which some is right, some is wrong and most is on the edge between."""

from uuid import uuid4

from hypothesis import strategies as st

from domain.payload_rules import MAX_DIGITS, MAX_PAYLOAD_DEPTH

# What a string of JSON may contain, and what it may not; each next to any other makes yet another case.
_GOOD_FRAGMENTS = [
    *[b"a", b"{", b"[", b"1e999999", b"\x7f", "é".encode(), "😀".encode(), "\u2028".encode(), "\uffff".encode()],
    *[b"\\\\", b'\\"', b"\\/", b"\\b", b"\\n", b"\\u0001", b"\\u00e9", b"\\uFFFF", b"u0000"],
    *[b"\\ud83d\\ude00", b"\\uDBFF\\uDFFF"],
]
_UNSEEN_FRAGMENTS = [b"\\u0000", b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]
_BAD_FRAGMENTS = [
    *_UNSEEN_FRAGMENTS,
    *[b"\\ud83d", b"\\ude00", b"\\ude00\\ud83d", b"\\ud83d\\u0041"],
    *[b"\x00", b"\x1f", b"\t", b"\n"],
    *[b'"', b"\\", b"\\u12", b"\\x41"],
]


def _strings_of(fragments: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(fragments), max_size=4).map(lambda parts: b'"' + b"".join(parts) + b'"')


good_strings = _strings_of(_GOOD_FRAGMENTS)
strings = good_strings | good_strings | good_strings | _strings_of(_GOOD_FRAGMENTS + _BAD_FRAGMENTS)
_lengths = st.sampled_from([1, 2, 17, MAX_DIGITS // 2, MAX_DIGITS - 1, MAX_DIGITS, MAX_DIGITS + 1, 20_000, 140_000])
_digits = st.builds(lambda digit, length: digit * length, st.sampled_from([b"0", b"1", b"9"]), _lengths)
_exponents = st.builds(
    b"".join,
    st.tuples(
        st.sampled_from([b"e", b"E", b"e+", b"e-", b"e000", b"E-000"]),
        st.sampled_from(
            [b"0", b"9", b"%d" % (MAX_DIGITS - 1), b"%d" % MAX_DIGITS, b"%d" % (MAX_DIGITS + 1), b"131072"]
        ),
    ),
)
numbers = st.builds(
    b"".join,
    st.tuples(
        st.sampled_from([b"", b"-"]),
        st.just(b"0") | _digits.map(lambda digits: b"1" + digits[1:]),
        st.just(b"") | _digits.map(lambda digits: b"." + digits),
        st.just(b"") | _exponents,
    ),
)
_good_spaces = st.sampled_from([b"", b" ", b"\r\n\t"])
_spaces = _good_spaces | _good_spaces | st.sampled_from([b"\x0b", b"\xa0", b"\xef\xbb\xbf"])
_words = st.sampled_from([b"null", b"true", b"false"])
_scalars = strings | _words | numbers | st.sampled_from([b"NaN", b"-Infinity", b"tru", b"", b"01", b"+1", b".5", b"1."])


def _array(items: list[bytes], space: bytes) -> bytes:
    return b"[" + space + (space + b"," + space).join(items) + space + b"]"


def _object(items: list[tuple[bytes, bytes]], space: bytes) -> bytes:
    members = [key + space + b":" + space + value for key, value in items]
    return b"{" + space + (space + b"," + space).join(members) + space + b"}"


def _nested(depth: int, inner: bytes) -> bytes:
    return b'{"a":' * (depth % 3) + b"[" * (depth - depth % 3) + inner + b"]" * (depth - depth % 3) + b"}" * (depth % 3)


def _values(
    scalars: st.SearchStrategy[bytes], keys: st.SearchStrategy[bytes], spaces: st.SearchStrategy[bytes]
) -> st.SearchStrategy[bytes]:
    return st.recursive(
        scalars,
        lambda inner: (
            st.builds(_array, st.lists(inner, max_size=3), spaces)
            | st.builds(_object, st.lists(st.tuples(keys, inner), max_size=3), spaces)
            | st.builds(_nested, st.sampled_from([1, MAX_PAYLOAD_DEPTH - 2, MAX_PAYLOAD_DEPTH, 900]), inner)
        ),
        max_leaves=6,
    )


values = _values(_scalars, strings, _spaces)
payloads = st.builds(_object, st.lists(st.tuples(strings, values), max_size=3), _spaces)
# Of these the syntax is right, but for what a decoder does not see that skips over a value.
_skipped_strings = _strings_of([*_GOOD_FRAGMENTS, b"\\\\u0000", *_UNSEEN_FRAGMENTS]) | good_strings
skipped_values = _values(_skipped_strings | _words | numbers, _skipped_strings, _good_spaces)
skipped_payloads = st.builds(_object, st.lists(st.tuples(_skipped_strings, skipped_values), max_size=3), _good_spaces)
user_ids = good_strings | strings | st.sampled_from([b'"%s"' % ("😀" * length).encode() for length in (512, 513)])
timestamps = st.sampled_from(
    [
        b"null",
        *[b'"0001-01-01T00:00:00Z"', b'"0001-01-01T00:00:00+23:59"', b'"9999-12-31T23:59:59.999999Z"'],
        *[b'"9999-12-31T23:59:59-23:59"', b'"2026-01-31T12:00:00.123456789+02:00"', b'"2026-06-30T23:59:60Z"'],
        *[b'"-4713-01-01T00:00:00Z"', b'"294277-01-01T00:00:00Z"', b'"2026-01-31"', b'"infinity"', b"1e400"],
    ]
)
_ids = st.builds(lambda: b'"%s"' % str(uuid4()).encode())


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Make a record whose fields are right, wrong or on the edge between."""
    fields = {
        b'"eventId"': draw(_ids | _ids | strings),
        b'"userId"': draw(user_ids),
        b'"eventType"': b'"LOGIN"',
        b'"timestamp"': draw(timestamps),
        b'"payload"': draw(payloads | _words),
    }
    return _object([*fields.items(), *draw(st.lists(st.tuples(strings, values), max_size=1))], b"")
