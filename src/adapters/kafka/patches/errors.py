"""Error codes that the client has no name for, and the errors that it retries without end and only logs.

Without names, a record that a broker refuses and a group that is full are both an `UnknownError`. With idempotence the
client sends a batch again for as long as brokers answer with a retriable error, and tells nobody but its log.

Upstream: no issue about these codes is known; 1101 is about sends that never fail.
"""

import logging
from time import monotonic
from typing import Final

from aiokafka.errors import kafka_errors

from adapters.kafka.refusals import GroupMaxSizeReachedError, InvalidRecordError

LOGGER: Final = "aiokafka.producer.sender"
MESSAGE: Final = "Got error produce response on topic-partition"
_REMEMBERED_SECONDS: Final = 10.0
"""The client tries again many times a second."""
_answers: dict[str, tuple[str, float]] = {}
"""The last answer of that kind and when it came, by topic."""


class _Listener(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith(MESSAGE) and isinstance(record.args, tuple):
            partition, answer, *_ = record.args
            name = answer.__name__ if isinstance(answer, type) else str(answer)
            _answers[getattr(partition, "topic", "")] = (name, monotonic())


_listener = _Listener(logging.WARNING)


def patch_errors() -> None:
    """Give names to the codes, and listen to the client's log."""
    kafka_errors.update({error.errno: error for error in (InvalidRecordError, GroupMaxSizeReachedError)})
    logging.getLogger(LOGGER).addHandler(_listener)


def retried_error(topic: str) -> str:
    """Name what brokers have answered of late instead of taking records for `topic`; empty where they did not."""
    answer, at = _answers.get(topic, ("", 0.0))
    return answer if monotonic() - at < _REMEMBERED_SECONDS else ""
