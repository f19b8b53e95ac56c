"""What brokers refuse: records that they will never take, for another reason than their size, and members."""

from aiokafka.errors import (
    BrokerResponseError,
    InvalidTimestampError,
    KafkaError,
    PolicyViolationError,
    UnknownError,
    UnsupportedForMessageFormatError,
)


class InvalidRecordError(BrokerResponseError):  # type: ignore[misc]  # aiokafka publishes no types
    """A record without a key on a compacted topic, or one that a broker's own check refuses."""

    errno = 87
    message = "INVALID_RECORD"
    description = "The broker refuses the record, for instance since it has no key and the topic is compacted"


class GroupMaxSizeReachedError(BrokerResponseError):  # type: ignore[misc]
    """The group takes no more members."""

    errno = 81
    message = "GROUP_MAX_SIZE_REACHED"
    description = "The group has as many members as the brokers' group.max.size allows"

    def __repr__(self) -> str:
        # What is left of it where the client raises it.
        return f"{type(self).__name__}: {self.description}"


class NotSentError(KafkaError):  # type: ignore[misc]
    """A batch before this one has failed, in the same partition of the same client."""

    def __init__(self, first: BaseException) -> None:
        super().__init__(f"not sent: a batch before it has failed: {type(first).__name__}: {first}".rstrip(": "))
        self.first = first


_REFUSALS = (
    InvalidRecordError,
    InvalidTimestampError,
    PolicyViolationError,
    UnsupportedForMessageFormatError,
    # Whatever the client has no name for, none of it an outage that brokers expect clients to sit out.
    UnknownError,
)


def is_refusal(error: BaseException) -> bool:
    """Tell whether brokers refuse what was sent, or what was to be sent before it."""
    return isinstance(error.first if isinstance(error, NotSentError) else error, _REFUSALS)
