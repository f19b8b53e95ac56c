"""Errors: codes that the client does not know, and retriable errors that it only logs.

- A record that a broker refuses and a group that is full are both an `UnknownError`. Upstream: no issue found.
- An idempotent client repeats a batch while the broker returns a retriable error. It has no delivery timeout, and only
  its log says why. Upstream: aiokafka 1101.
"""

import logging
from time import monotonic
from typing import Final

from aiokafka.errors import kafka_errors

from adapters.kafka.refusals import GroupMaxSizeReachedError, InvalidRecordError

LOGGER: Final = "aiokafka.producer.sender"
MESSAGE: Final = "Got error produce response on topic-partition"
_REMEMBERED_SECONDS: Final = 10.0
"""The client repeats a batch many times a second."""
_errors: dict[str, tuple[str, float]] = {}
"""The last error of each topic, and when it came."""


class _Listener(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith(MESSAGE) and isinstance(record.args, tuple):
            partition, error, *_ = record.args
            name = error.__name__ if isinstance(error, type) else str(error)
            _errors[getattr(partition, "topic", "")] = (name, monotonic())


_listener = _Listener(logging.WARNING)


def patch_errors() -> None:
    """Register classes for the codes, and read the errors from the client's log."""
    kafka_errors.update({error.errno: error for error in (InvalidRecordError, GroupMaxSizeReachedError)})
    logging.getLogger(LOGGER).addHandler(_listener)


def retried_error(topic: str) -> str:
    """Name the error that brokers have recently returned for `topic`; empty if there was none."""
    error, at = _errors.get(topic, ("", 0.0))
    return error if monotonic() - at < _REMEMBERED_SECONDS else ""
