"""Dead letters to begin with."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from application.dead_letters.letters import LetterOrigin, ReadLetter
from domain.dead_letter import FailureKind
from tests.support.api import TOPIC, Api
from tests.support.events import NOON

VALUE = b'{"userId": "user-1", "eventType": "LOGIN"}'
MENDED = (
    b'{"eventId":"0198f3c0-1111-7abc-8def-0123456789ab","userId":"user-1","eventType":"LOGIN","timestamp":null,'
    b'"payload":{"n":1}}'
)


def a_failure(number: int = 1, **changes: Any) -> ReadLetter:
    """Make a failure of the letter `0-<number>`; it happened `number` seconds after noon."""
    failed_at = NOON + timedelta(seconds=number)
    failure = ReadLetter(
        id=f"0-{number}",
        origin=LetterOrigin(TOPIC, 0, number, 1_795_348_800_000),
        dlq_partition=0,
        dlq_offset=number,
        kind=FailureKind.INVALID,
        error_class="Invalid",
        message="eventId: must be a UUID",
        sqlstate=None,
        fingerprint="0a1b2c3d",
        event_id=None,
        user_id="user-1",
        event_type="LOGIN",
        attempts=1,
        replays=0,
        edit=0,
        first_failed_at=failed_at,
        failed_at=failed_at,
        key=b"user-1",
        value=VALUE,
        headers=[("content-type", b"application/json"), ("trace", b"\xff"), ("empty", None)],
    )
    return replace(failure, **changes)


async def put(api: Api, count: int = 1, **changes: Any) -> list[str]:
    """Have the index note letters; return their ids, the latest failure first."""
    failures = [a_failure(number + 1, **changes) for number in range(count)]
    await api.index.note(failures)
    return [failure.id for failure in reversed(failures)]
