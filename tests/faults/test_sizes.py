"""Events at the limits of their size, and above."""

from dataclasses import replace
from random import Random

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from tests.faults.history import Event, Events, Outcome
from tests.faults.stage import Stage

_LOG_BYTES = 200_000
_BODY_BYTES = 524_288
"""The default of MAX_BODY_BYTES."""
_TIMES = 5


async def test_26_sizes_at_the_limits_and_above(stage: Stage) -> None:
    """What the log or the api finds too large is refused; whatever fits is taken, and all others notice nothing."""
    await stage.topics.make(stage.topic, max_message_bytes=str(_LOG_BYTES))
    api, _consumer = await stage.run_both()
    events = Events(Random(stage.seed))
    refused = []
    async with stage.http_load(api) as load:
        for _ in range(_TIMES):
            await load.more(stage.events // (_TIMES + 1))
            fits = _as_a_batch_of(_LOG_BYTES, events.make("somebody large"))
            await load.publish(fits)
            assert fits.outcome is Outcome.OK
            stage.struck_in_flight(load, "too large for the log")
            for event in (
                _as_a_batch_of(_LOG_BYTES + 1, events.make("somebody large")),
                _filled(events.make("somebody large"), _BODY_BYTES),
                _filled(events.make("somebody large"), _BODY_BYTES + 1),
            ):
                await load.publish(event)
                assert event.outcome is not Outcome.OK
                refused.append(event.id)
        stage.healed()
        await load.acknowledged(stage.events)
    seen = await stage.prove(load)
    assert not set(refused) & {row.id for row in seen.rows}
    stage.struck("events refused", len(refused))
    # For the first of them; sizes that the log has refused are not sent to it again.
    assert len(api.lines("the producer was replaced")) == 1


def _as_a_batch_of(size: int, event: Event) -> Event:
    """Fill an event up until it makes a batch of so many bytes in the log."""
    filled = _filled(event, size)
    return _filled(event, size - (_batch_size(filled) - size))


def _batch_size(event: Event) -> int:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 2 * _LOG_BYTES)
    builder.append(0, 0, event.user.encode(), event.record(), [("content-type", b"application/json")])
    return len(builder.build())


def _filled(event: Event, size: int) -> Event:
    """Fill an event's payload up until a request for it has so many bytes, as its record has then."""
    filler = size - len(replace(event, payload=b'{"fill":""}').record())
    return replace(event, payload=b'{"fill":"%s"}' % (b"x" * filler))
