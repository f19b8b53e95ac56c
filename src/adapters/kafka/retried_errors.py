"""What brokers answer to records that the Kafka client sends again and again: it only logs that."""

import logging
from time import monotonic
from typing import Final

_LOGGER: Final = "aiokafka.producer.sender"
_MESSAGE: Final = "Got error produce response on topic-partition"
_REMEMBERED_SECONDS: Final = 10.0
"""The client tries again many times a second."""
_answers: dict[str, tuple[str, float]] = {}
"""The last answer of that kind and when it came, by topic."""


class _Listener(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith(_MESSAGE) and isinstance(record.args, tuple):
            partition, answer, *_ = record.args
            name = answer.__name__ if isinstance(answer, type) else str(answer)
            _answers[getattr(partition, "topic", "")] = (name, monotonic())


_listener = _Listener(logging.WARNING)


def hear_retried_errors() -> None:
    """Listen from now on."""
    logging.getLogger(_LOGGER).addHandler(_listener)


def retried_error(topic: str) -> str:
    """Name what brokers have answered of late instead of taking records for `topic`; empty where they did not."""
    answer, at = _answers.get(topic, ("", 0.0))
    return answer if monotonic() - at < _REMEMBERED_SECONDS else ""
