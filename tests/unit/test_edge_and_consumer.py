"""Edge and consumer accept the same events: those whose payloads the reference implementation calls valid."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from adapters.memory import MemoryLog, MemoryPublisher
from adapters.records import codec
from adapters.schemas.limits.payload_size import KEYWORD
from adapters.schemas.load import InvalidSchemas
from adapters.system import new_id, utc_now
from application.publish_event import PublishEvent
from domain.dead_letter import MAX_REASON_CHARS, Failure
from domain.event import UserEvent
from domain.event_types import EventTypes
from domain.payload_schema import Violation
from domain.validation import EventRules, Invalid, PayloadProblem
from entrypoints.http.requests import event_body
from tests.support.events import a_record
from tests.support.json_schemas import payloads, reference_errors, schemas
from tests.support.schema_folders import compiled


@pytest.fixture(autouse=True)
def unlimited_digits() -> Iterator[None]:
    """Let the reference make numbers of 8,000 digits."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    yield
    sys.set_int_max_str_digits(before)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(text=schemas, tried=st.lists(payloads, min_size=1, max_size=4), rejects=st.booleans())
async def test_both_accept_what_the_reference_accepts(
    tmp_path: Path, text: str, tried: list[bytes], *, rejects: bool
) -> None:
    """Both say the same about others, and count the same violations where a schema only counts."""
    try:
        schema = compiled(tmp_path, text if rejects else text.replace("{", '{"x-on-violation":"accept",', 1))
    except InvalidSchemas as refused:
        # The only reason for which a random schema is refused: it would be too slow.
        assume("takes up to" not in str(refused))
        raise
    told: list[Violation] = []
    rules = EventRules(EventTypes([schema.type]), {schema.type: schema}, lambda _, found: told.extend(found))
    log = MemoryLog(partitions=1)
    publish = PublishEvent(rules, MemoryPublisher(log, "events"), new_id, utc_now)
    decode = codec.decoder(rules)
    for payload in tried:
        told.clear()
        request = b'{"userId":"u","eventType":"T","payload":%b}' % payload
        (outcome,) = await publish([event_body.parse(request)])
        at_edge, told[:] = [*told], []
        content = decode(a_record(b'{"eventId":"%b",%b' % (str(new_id()).encode(), request[1:])))
        assert told == at_edge
        assert not (rejects and told)
        if isinstance(outcome, Invalid):
            assert rejects
            assert isinstance(content, Failure)
            assert content.reason == str(outcome)[:MAX_REASON_CHARS]
            keywords = {problem.keyword for problem in outcome.problems if isinstance(problem, PayloadProblem)}
        else:
            assert isinstance(content, UserEvent)
            assert content.payload == payload
            assert (log.records("events")[-1].value or b"").endswith(b'"payload":%b}' % payload)
            keywords = {violation.keyword for violation in told}
        assert KEYWORD in keywords or bool(keywords) == bool(reference_errors(text, payload))
