"""The use case behind the HTTP routes: drafts in, one outcome each out."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from adapters.memory import MemoryLog, MemoryPublisher
from application.ports import Receipt
from application.publish_event import Draft, NotPublished, Published, PublishEvent
from domain.errors import Rejected, Unavailable, WrongDeployment
from domain.event import UserEvent
from domain.validation import Invalid
from tests.support.events import LOGIN, LOGOUT, NOON, RULES, decode

NEW_ID = UUID("0198f3c0-1111-7abc-8def-0123456789ab")
DRAFT = Draft("user-1", "LOGIN", b'{"page": "/"}')
TOO_LARGE = replace(DRAFT, payload=b'{"a":"%s"}' % (b"x" * 2_000))


@pytest.fixture
def log() -> MemoryLog:
    """An empty log of one partition."""
    return MemoryLog(partitions=1)


@pytest.fixture
def publisher(log: MemoryLog) -> MemoryPublisher:
    """A publisher of records up to 1,000 bytes."""
    return MemoryPublisher(log, "events", max_record_bytes=1_000)


@pytest.fixture
def publish(publisher: MemoryPublisher) -> PublishEvent:
    """The use case, which always makes the same id at the same time."""
    return PublishEvent(RULES, publisher, lambda: NEW_ID, lambda: NOON)


async def test_missing_id_time_and_payload_are_made(publish: PublishEvent, log: MemoryLog) -> None:
    """A client has to state the user and the type only."""
    assert await publish([Draft("user-1", "LOGOUT")]) == [Published(NEW_ID, Receipt(0, 0))]
    (record,) = log.records("events")
    assert decode(record) == UserEvent(NEW_ID, "user-1", LOGOUT, NOON, b"{}")


async def test_stated_id_time_and_payload_are_kept(publish: PublishEvent, log: MemoryLog) -> None:
    """So that a retry is the same event."""
    own_id, moment = uuid4(), NOON - timedelta(days=1)
    await publish([replace(DRAFT, event_id=str(own_id), timestamp=moment.isoformat())])
    (record,) = log.records("events")
    assert decode(record) == UserEvent(own_id, "user-1", LOGIN, moment, b'{"page": "/"}')


async def test_each_draft_has_its_own_outcome_in_order(publish: PublishEvent, log: MemoryLog) -> None:
    """Neither an invalid nor an oversized one costs the others."""
    outcomes = await publish([DRAFT, Draft("", "LOGIN"), TOO_LARGE, DRAFT])
    assert [type(outcome) for outcome in outcomes] == [Published, Invalid, NotPublished, Published]
    assert isinstance(outcomes[2], NotPublished)
    assert isinstance(outcomes[2].cause, Rejected)
    assert len(log.records("events")) == 2


async def test_outage_leaves_every_valid_draft_with_its_id_to_retry(
    publish: PublishEvent, publisher: MemoryPublisher
) -> None:
    """The outcome is unknown: only a retry under the same id is safe."""
    outage = publisher.outage = Unavailable("no broker")
    own_id = uuid4()
    outcomes = await publish([DRAFT, replace(DRAFT, event_id=own_id)])
    assert outcomes == [NotPublished(NEW_ID, outage), NotPublished(own_id, outage)]


async def test_nothing_valid_asks_nothing_of_the_log(publish: PublishEvent, publisher: MemoryPublisher) -> None:
    """A client's mistakes are reported even while the log is down."""
    publisher.outage = WrongDeployment("no such topic")
    (outcome,) = await publish([Draft("user-1", "PURCHASE")])
    assert isinstance(outcome, Invalid)
    assert await publish([]) == []


async def test_wrong_deployment_is_an_outcome_for_each_event(publish: PublishEvent, publisher: MemoryPublisher) -> None:
    """As an outage is, so that each client has the id to retry with once it is mended."""
    publisher.outage = WrongDeployment("no such table")
    [outcome] = await publish([DRAFT])
    assert isinstance(outcome, NotPublished)
    assert outcome.is_unknown
    assert str(outcome.cause) == "no such table"
