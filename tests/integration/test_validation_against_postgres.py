"""The validator against the judge: what decodes to an event must be storable."""

from uuid import uuid4

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.events.event_store import PostgresEventStore
from adapters.records import codec
from application.ports import Outcome
from domain.event import UserEvent
from domain.payload_rules import MAX_DIGITS, MAX_PAYLOAD_DEPTH, MAX_PRINTED_BYTES, printed_bytes
from domain.validation import MAX_USER_ID_CHARS
from tests.support.events import a_record, an_event, decode, delivered
from tests.support.json_bytes import numbers, payloads, records


async def assert_storable(engine: AsyncEngine, *candidates: UserEvent | object) -> None:
    """Store the events among `candidates`, each as something new, and find them as they were."""
    # Hypothesis repeats itself, ids included.
    events = [each._replace(id=uuid4()) for each in candidates if isinstance(each, UserEvent)]
    store = PostgresEventStore(engine, settle=25.0)
    assert await store.add(delivered(*events)) == [Outcome.STORED] * len(events)
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
    values = [codec.encode(an_event()).replace(b'{"page":"/home"}', text) for text in texts]
    await assert_storable(engine, *(decode(a_record(value)) for value in values))


@given(values=st.lists(records(), max_size=10))
@against_postgres
async def test_record_that_passes_is_taken_as_a_row(engine: AsyncEngine, values: list[bytes]) -> None:
    """Whatever its id, user, time and unknown keys."""
    await assert_storable(engine, *(decode(a_record(value)) for value in values))


@given(start=st.integers(0, 160), length=st.integers(0, 3), raw=st.binary(max_size=3), text=payloads)
@example(start=0, length=0, raw=b"\xef\xbb\xbf", text=b"{}")
@against_postgres
async def test_damaged_record_that_passes_is_taken_as_a_row(
    engine: AsyncEngine, start: int, length: int, raw: bytes, text: bytes
) -> None:
    """Raw bytes in the place of some of its own."""
    value = codec.encode(an_event()).replace(b'{"page":"/home"}', text)
    await assert_storable(engine, decode(a_record(value[:start] + raw + value[start + length :])))


@given(texts=st.lists(payloads, max_size=20))
@against_postgres
async def test_payload_prints_no_longer_than_is_foretold(engine: AsyncEngine, texts: list[bytes]) -> None:
    """Whatever its strings, numbers and spaces; a payload that passes prints within the limit."""
    good = [text for text in texts if isinstance(decoded(text), UserEvent)]
    for text, printed in zip(good, await printed_lengths(engine, good), strict=True):
        assert printed <= printed_bytes(text)
        assert printed <= max(MAX_PRINTED_BYTES, 2 * len(text))


@given(numbers=st.lists(numbers, max_size=30))
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
    return decode(a_record(codec.encode(an_event()).replace(b'{"page":"/home"}', payload)))


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
    decoded = [decode(a_record(codec.encode(event))) for event in events]
    assert decoded == events
    await assert_storable(engine, *decoded)
