"""The headers of dead letters, by the programs that write them: ours, Kafka Connect, Kafka Streams and Spring."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MAX_INT32, MAX_INT64 = 2**31 - 1, 2**63 - 1
_MAX_TOPIC_BYTES = 512
_NOT_IN_TOPICS = re.compile("[\0\ufffd]")
"""The second stands for bytes that are no UTF-8."""
_LONG_BYTES = 8
"""Of Java's longest integer."""
_NUMBER = re.compile(rb"-?[0-9]{1,19}")

HeaderValues = Mapping[str, bytes | None]
"""Header values by name; of equal names the last one counts."""


def number(value: bytes | None, least: int, most: int) -> int | None:
    """Read a decimal number; None for what is none, or is not within the bounds."""
    if value is None or _NUMBER.fullmatch(value) is None:
        return None
    found = int(value)
    return found if least <= found <= most else None


def _big_endian(value: bytes | None, least: int, most: int) -> int | None:
    # As Java writes an int or a long.
    found = int.from_bytes(value, "big", signed=True) if value and len(value) <= _LONG_BYTES else least - 1
    return found if least <= found <= most else None


@dataclass(frozen=True, slots=True)
class Family:
    """The headers by which one kind of writer tells a dead letter's origin and error."""

    prefix: str
    """Begins the names of all of them."""
    topic: str
    partition: str
    offset: str
    timestamp: str | None
    """None where the dead letter itself has the original record's."""
    error_classes: tuple[str, ...]
    """Of these headers the first one that is there counts."""
    messages: tuple[str, ...]
    number: Callable[[bytes | None, int, int], int | None] = number

    def place(self, headers: HeaderValues) -> tuple[str, int, int] | None:
        """Read topic, partition and offset of the original record; None unless all of them can be true."""
        written = headers.get(self.topic)
        if not written or len(written) > _MAX_TOPIC_BYTES:
            return None
        topic = written.decode(errors="replace")
        partition = self.number(headers.get(self.partition), 0, MAX_INT32)
        offset = self.number(headers.get(self.offset), 0, MAX_INT64)
        if partition is None or offset is None or _NOT_IN_TOPICS.search(topic):
            return None
        return topic, partition, offset

    def error_class(self, headers: HeaderValues) -> bytes | None:
        """Read what class of error it was."""
        return _first(headers, self.error_classes)

    def message(self, headers: HeaderValues) -> bytes | None:
        """Read the error's message."""
        return _first(headers, self.messages)


def _first(headers: HeaderValues, names: tuple[str, ...]) -> bytes | None:
    return next((value for name in names if (value := headers.get(name))), None)


OURS = Family(
    prefix="dlq.",
    topic="dlq.topic",
    partition="dlq.partition",
    offset="dlq.offset",
    timestamp="dlq.timestamp",
    error_classes=("dlq.error.class",),
    messages=("dlq.error.message",),
)
# Where its setting errors.deadletterqueue.context.headers.enable is on.
CONNECT = Family(
    prefix="__connect.errors.",
    topic="__connect.errors.topic",
    partition="__connect.errors.partition",
    offset="__connect.errors.offset",
    timestamp=None,
    error_classes=("__connect.errors.exception.class.name",),
    messages=("__connect.errors.exception.message",),
)
# Since 4.2, by errors.dead.letter.queue.topic.name. The exception is printed, its message included.
STREAMS = Family(
    prefix="__streams.errors.",
    topic="__streams.errors.topic",
    partition="__streams.errors.partition",
    offset="__streams.errors.offset",
    timestamp=None,
    error_classes=("__streams.errors.exception",),
    messages=("__streams.errors.message",),
)
# DeadLetterPublishingRecoverer. The exception itself is the listener's; its cause says more.
SPRING = Family(
    prefix="kafka_dlt-",
    topic="kafka_dlt-original-topic",
    partition="kafka_dlt-original-partition",
    offset="kafka_dlt-original-offset",
    timestamp="kafka_dlt-original-timestamp",
    error_classes=(
        "kafka_dlt-exception-cause-fqcn",
        "kafka_dlt-exception-fqcn",
        "kafka_dlt-key-exception-fqcn",
    ),
    messages=("kafka_dlt-exception-message", "kafka_dlt-key-exception-message"),
    number=_big_endian,
)
FAMILIES = (OURS, CONNECT, STREAMS, SPRING)
"""Ours comes first: whoever wrote the other headers, our consumer read the record after that."""
PREFIXES = tuple(family.prefix for family in FAMILIES)
