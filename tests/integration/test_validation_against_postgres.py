"""The validator against the judge: what decodes to an event must be storable."""

from uuid import uuid4

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters import wire
from adapters.postgres.event_store import PostgresEventStore
from application.ports import Verdict
from domain.event import UserEvent
from domain.payload_rules import MAX_DIGITS, MAX_PAYLOAD_DEPTH, MAX_PRINTED_BYTES, printed_bytes
from domain.validation import MAX_USER_ID_CHARS
from tests.support.events import a_record, an_event, delivered

# What a string of JSON may hold, and what it may not; each next to any other makes yet another case.
_GOOD_FRAGMENTS = [
    *[b"a", b"{", b"[", b"1e999999", b"\x7f", "é".encode(), "😀".encode(), "\u2028".encode(), "\uffff".encode()],
    *[b"\\\\", b'\\"', b"\\/", b"\\b", b"\\n", b"\\u0001", b"\\u00e9", b"\\uFFFF", b"u0000"],
    *[b"\\ud83d\\ude00", b"\\uDBFF\\uDFFF"],
]
_BAD_FRAGMENTS = [
    *[b"\\u0000", b"\\ud83d", b"\\ude00", b"\\ude00\\ud83d", b"\\ud83d\\u0041"],
    *[b"\x00", b"\x1f", b"\t", b"\n", b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"],
    *[b'"', b"\\", b"\\u12", b"\\x41"],
]


def _strings_of(fragments: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(fragments), max_size=4).map(lambda parts: b'"' + b"".join(parts) + b'"')


_good_strings = _strings_of(_GOOD_FRAGMENTS)
_strings = _good_strings | _good_strings | _good_strings | _strings_of(_GOOD_FRAGMENTS + _BAD_FRAGMENTS)
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
_numbers = st.builds(
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
_scalars = (
    _strings | _words | _numbers | st.sampled_from([b"NaN", b"-Infinity", b"tru", b"", b"01", b"+1", b".5", b"1."])
)


def _array(items: list[bytes], space: bytes) -> bytes:
    return b"[" + space + (space + b"," + space).join(items) + space + b"]"


def _object(items: list[tuple[bytes, bytes]], space: bytes) -> bytes:
    members = [key + space + b":" + space + value for key, value in items]
    return b"{" + space + (space + b"," + space).join(members) + space + b"}"


def _nested(depth: int, inner: bytes) -> bytes:
    return b'{"a":' * (depth % 3) + b"[" * (depth - depth % 3) + inner + b"]" * (depth - depth % 3) + b"}" * (depth % 3)


_values = st.recursive(
    _scalars,
    lambda inner: (
        st.builds(_array, st.lists(inner, max_size=3), _spaces)
        | st.builds(_object, st.lists(st.tuples(_strings, inner), max_size=3), _spaces)
        | st.builds(_nested, st.sampled_from([1, MAX_PAYLOAD_DEPTH - 2, MAX_PAYLOAD_DEPTH, 900]), inner)
    ),
    max_leaves=6,
)
payloads = st.builds(_object, st.lists(st.tuples(_strings, _values), max_size=3), _spaces)
_user_ids = _good_strings | _strings | st.sampled_from([b'"%s"' % ("😀" * length).encode() for length in (512, 513)])
_timestamps = st.sampled_from(
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
        b'"eventId"': draw(_ids | _ids | _strings),
        b'"userId"': draw(_user_ids),
        b'"eventType"': b'"LOGIN"',
        b'"timestamp"': draw(_timestamps),
        b'"payload"': draw(payloads | _words),
    }
    return _object([*fields.items(), *draw(st.lists(st.tuples(_strings, _values), max_size=1))], b"")


async def assert_storable(engine: AsyncEngine, *candidates: UserEvent | object) -> None:
    """Store the events among `candidates`, each as something new, and find them as they were."""
    # Hypothesis repeats itself, ids included.
    events = [each._replace(id=uuid4()) for each in candidates if isinstance(each, UserEvent)]
    store = PostgresEventStore(engine, settle=25.0)
    assert await store.add(delivered(*events)) == [Verdict.STORED] * len(events)
    for event in events:
        row = await store.get(event.id)
        assert row is not None
        assert (row.user_id, row.event_type, row.occurred_at) == (event.user_id, event.event_type, event.occurred_at)


against_postgres = settings(
    max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@given(texts=st.lists(payloads, max_size=10))
@against_postgres
async def test_payload_that_passes_is_taken_as_jsonb(engine: AsyncEngine, texts: list[bytes]) -> None:
    """Escapes, surrogates, control characters, numbers and nesting on either side of every limit."""
    values = [wire.encode(an_event()).replace(b'{"page":"/home"}', text) for text in texts]
    await assert_storable(engine, *(wire.decode(a_record(value)) for value in values))


@given(values=st.lists(records(), max_size=10))
@against_postgres
async def test_record_that_passes_is_taken_as_a_row(engine: AsyncEngine, values: list[bytes]) -> None:
    """Whatever its id, user, time and unknown keys."""
    await assert_storable(engine, *(wire.decode(a_record(value)) for value in values))


@given(start=st.integers(0, 160), length=st.integers(0, 3), raw=st.binary(max_size=3), text=payloads)
@example(start=0, length=0, raw=b"\xef\xbb\xbf", text=b"{}")
@against_postgres
async def test_damaged_record_that_passes_is_taken_as_a_row(
    engine: AsyncEngine, start: int, length: int, raw: bytes, text: bytes
) -> None:
    """Raw bytes in the place of some of its own."""
    value = wire.encode(an_event()).replace(b'{"page":"/home"}', text)
    await assert_storable(engine, wire.decode(a_record(value[:start] + raw + value[start + length :])))


@given(texts=st.lists(payloads, max_size=20))
@against_postgres
async def test_payload_prints_no_longer_than_is_foretold(engine: AsyncEngine, texts: list[bytes]) -> None:
    """Whatever its strings, numbers and spaces; a payload that passes prints within the limit."""
    good = [text for text in texts if isinstance(decoded(text), UserEvent)]
    for text, printed in zip(good, await printed_lengths(engine, good), strict=True):
        assert printed <= printed_bytes(text)
        assert printed <= max(MAX_PRINTED_BYTES, 2 * len(text))


@given(numbers=st.lists(_numbers, max_size=30))
@example(numbers=[b"0e8000", b"0e-8000", b"1.0e-5", b"-0.0e3", b"1.50e1", b"100e-2", b"12e-1"])
@against_postgres
async def test_foretold_length_of_numbers_is_close(engine: AsyncEngine, numbers: list[bytes]) -> None:
    """Beyond what is printed it counts no more than twice what was written, unless a number is zero."""
    text = b'{"a": [' + b", ".join(numbers) + b"]}"
    if isinstance(decoded(text), UserEvent):
        (printed,) = await printed_lengths(engine, [text])
        zeros = sum(MAX_DIGITS for number in numbers if not set(number.lower().partition(b"e")[0]) & set(b"123456789"))
        assert printed <= printed_bytes(text) <= printed + 2 * len(text) + zeros


def decoded(payload: bytes) -> UserEvent | object:
    """Read a record with such a payload."""
    return wire.decode(a_record(wire.encode(an_event()).replace(b'{"page":"/home"}', payload)))


async def printed_lengths(engine: AsyncEngine, payloads: list[bytes]) -> list[int]:
    """Ask the server how long each payload is when it is read again."""
    statement = "SELECT octet_length(text::jsonb::text) FROM unnest($1::text[]) WITH ORDINALITY AS given (text, place)"
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql(
            f"{statement} ORDER BY place", ([payload.decode() for payload in payloads],)
        )
        return list(found.scalars())


async def test_limits_themselves_are_storable(engine: AsyncEngine) -> None:
    """The longest user in characters that no index compresses, the deepest payload, the longest numbers."""
    user_id = "".join(chr(0x10000 + (number * 7919) % 0xFFFFF) for number in range(MAX_USER_ID_CHARS))
    number = b"-" + b"9" * (MAX_DIGITS // 2) + b"." + b"9" * (MAX_DIGITS // 2)
    values = [
        b"[" * (MAX_PAYLOAD_DEPTH - 1) + b"]" * (MAX_PAYLOAD_DEPTH - 1),
        number + b"e%d" % MAX_DIGITS,
        number + b"e-%d" % MAX_DIGITS,
    ]
    events = [an_event(user_id, b'{"a":' + value + b"}") for value in values]
    decoded = [wire.decode(a_record(wire.encode(event))) for event in events]
    assert decoded == events
    await assert_storable(engine, *decoded)
