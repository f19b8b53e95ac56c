"""The headers by which a replay names the record's first delivery."""

import re
from collections.abc import Sequence

from adapters.records.dlq_families import MAX_INT32, MAX_INT64, OURS, HeaderValues, number

TIMESTAMP = "dlq.timestamp"
FIRST_FAILED_AT = "dlq.first-failed-at"
REPLAYS = "dlq.replays"
TIME = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}(?:[0-9]{3})?Z")
"""A time, as our headers have it."""
_NO_TIMESTAMP = -1
"""Brokers keep it for a record without one."""


def first_delivery(topic: str, headers: Sequence[tuple[str, bytes | None]]) -> dict[str, bytes] | None:
    """Return a replay's headers about its first delivery; None where it is none, or a producer only says it is.

    They are believed whole or not at all. What could be true is believed: whoever may write to the topic may replay.
    """
    told: HeaderValues = dict(headers)
    is_replay = (
        told.get(OURS.topic) == topic.encode()
        and number(told.get(OURS.partition), 0, MAX_INT32) is not None
        and number(told.get(OURS.offset), 0, MAX_INT64) is not None
        and number(told.get(TIMESTAMP), _NO_TIMESTAMP, MAX_INT64) is not None
        and number(told.get(REPLAYS), 1, MAX_INT32) is not None
        and TIME.fullmatch(told.get(FIRST_FAILED_AT) or b"") is not None
    )
    names = (OURS.topic, OURS.partition, OURS.offset, TIMESTAMP, FIRST_FAILED_AT, REPLAYS)
    return {name: told[name] or b"" for name in names} if is_replay else None


def first_timestamp(topic: str, headers: Sequence[tuple[str, bytes | None]], timestamp: int) -> int:
    """Tell when the log first took a record, in milliseconds since the epoch: `timestamp`, unless it is a replay."""
    told = first_delivery(topic, headers) if headers else None
    return timestamp if told is None else int(told[TIMESTAMP])
