"""Events that come again under an id that is taken."""

import json
from dataclasses import replace

import pytest

from tests.faults.history import Event
from tests.faults.stage import Stage

_SHARE = 20
"""Every so many-th event comes again."""


@pytest.mark.quick
async def test_28_same_id_with_other_content(stage: Stage) -> None:
    """The first event stays; each other content has its dead letter. Another time or spelling is the same content."""
    await stage.run("consumer")
    async with stage.kafka_load() as load, stage.blocks() as others:
        await load.acknowledged(stage.events // 2)
        await stage.consumed(stage.events // 4)
        stored = await stage.ids()
        earlier = [event for event in load.history.events.values() if event.id in stored][::_SHARE]
        fresh = others.events(len(earlier))
        stage.struck_in_flight(load, "ids that are taken")
        at_once = await others.append([each for event in fresh for each in (event, _other(event))], partition=0)
        later = await others.append([_other(event) for event in earlier], partition=1)
        # From another partition it could be read first.
        await stage.flows(0)
        await others.append([_same(event) for event in [*fresh, *earlier]], partition=2)
        await load.acknowledged(stage.events)
    seen = await stage.prove(load, others)
    conflicts = {(0, at_once + 2 * number + 1) for number in range(len(fresh))}
    conflicts |= {(1, later + number) for number in range(len(earlier))}
    assert {letter.origin for letter in seen.letters} == conflicts
    assert {letter.headers["dlq.kind"] for letter in seen.letters} == {b"conflict"}
    stage.struck("conflicts", len(conflicts))


def _other(event: Event) -> bytes:
    """A record with this id, but another user, type or payload."""
    changes = (
        {"user": f"{event.user} no more"},
        {"event_type": "LOGIN" if event.event_type != "LOGIN" else "LOGOUT"},
        {"payload": event.payload[:-1] + b',"more":1}'},
    )
    return replace(event, **changes[event.id.int % len(changes)]).record()


def _same(event: Event) -> bytes:
    """A record of this event that says the same in other words."""
    payload = json.dumps(dict(reversed(json.loads(event.payload).items())), indent=1).encode()
    return replace(event, timestamp="2026-11-22T12:00:00.000Z", payload=payload).record()
