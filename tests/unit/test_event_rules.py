"""Types and schemas among the rules; what else an event may be stands in `test_validation`."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from domain.event import UserEvent
from domain.event_types import ANY_TYPE, EventType, EventTypes
from domain.payload_schema import Violation
from domain.validation import EventRules, Invalid, PayloadProblem, Problem
from tests.support.events import NOON
from tests.support.schemas import ORDER, PRICE, FakeSchema

GOOD, BAD = b'{"price":1}', b'{"price":"bad"}'


def validate(rules: EventRules, **fields: Any) -> UserEvent:
    """Validate a good order changed by `fields`."""
    good: dict[str, Any] = {
        "event_id": uuid4(),
        "user_id": "u",
        "event_type": ORDER,
        "timestamp": NOON,
        "payload": GOOD,
    }
    return rules.validate(**good | fields)


def problems(rules: EventRules, **fields: Any) -> Sequence[Problem]:
    """Validate what is no event; return what is wrong with it."""
    with pytest.raises(Invalid) as caught:
        validate(rules, **fields)
    return caught.value.problems


@pytest.fixture
def told() -> list[tuple[EventType, Sequence[Violation]]]:
    """The accepted violations that were told of."""
    return []


def test_payload_that_breaks_its_schema_is_refused() -> None:
    """Each violation is a problem with its place and keyword; the message suffices without them."""
    length = Violation("/tags/0", "maxLength", "must have at most 3 characters", "/tags/*")
    rules = EventRules(EventTypes([ORDER]), {ORDER: FakeSchema(PRICE, length)})
    assert validate(rules).payload == GOOD
    assert problems(rules, payload=BAD) == (
        PayloadProblem("payload", "/price must be at least 0", "#/payload/price", "minimum"),
        PayloadProblem("payload", "/tags/* must have at most 3 characters", "#/payload/tags/0", "maxLength"),
    )
    with pytest.raises(Invalid, match=r"^payload: /price must be at least 0; payload: /tags/\* must have"):
        validate(rules, payload=BAD)


def test_violations_are_told_with_all_other_problems() -> None:
    """One answer suffices to mend a request, unless type or payload are wrong themselves."""
    schema = FakeSchema()
    rules = EventRules(EventTypes([ORDER]), {ORDER: schema})
    assert [problem.field for problem in problems(rules, user_id="", payload=BAD)] == ["userId", "payload"]
    schema.checked.clear()
    assert [problem.field for problem in problems(rules, event_type="OTHER", payload=BAD)] == ["eventType"]
    assert [problem.field for problem in problems(rules, payload=b'["bad"]')] == ["payload"]
    assert schema.checked == []


def test_accepted_violations_are_told_and_the_event_is_made(told: list[tuple[EventType, Sequence[Violation]]]) -> None:
    """Only of an event that is none for another reason nothing is told."""
    schemas = {ORDER: FakeSchema(rejects=False)}
    rules = EventRules(EventTypes([ORDER]), schemas, lambda *found: told.append(found))
    assert validate(rules, payload=BAD).payload == BAD
    assert validate(rules, payload=GOOD).payload == GOOD
    assert [problem.field for problem in problems(rules, user_id="", payload=BAD)] == ["userId"]
    assert told == [(ORDER, (PRICE,))]


def test_type_without_a_schema_may_have_any_payload() -> None:
    """Its payloads are looked at by no schema of another type."""
    schema = FakeSchema()
    rules = EventRules(EventTypes.of("LOGIN,ORDER_PLACED"), {ORDER: schema})
    assert validate(rules, event_type="LOGIN", payload=BAD).payload == BAD
    assert schema.checked == []


def test_any_name_may_be_a_type() -> None:
    """Its form is checked, and it may have a schema all the same."""
    rules = EventRules(ANY_TYPE, {ORDER: FakeSchema()})
    assert validate(rules, event_type="shop:cart.add-1").event_type == "shop:cart.add-1"
    assert [problem.field for problem in problems(rules, event_type="no name")] == ["eventType"]
    assert [problem.field for problem in problems(rules, payload=BAD)] == ["payload"]


@pytest.mark.parametrize("value", [None, 1, ["LOGIN"], {"LOGIN": 1}])
def test_what_is_no_name_is_no_type(value: object) -> None:
    """Also what has no hash."""
    for types in (EventTypes([ORDER]), ANY_TYPE):
        assert [problem.field for problem in problems(EventRules(types), event_type=value)] == ["eventType"]
