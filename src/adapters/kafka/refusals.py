"""Errors of brokers that refuse a record for another reason than its size, or a member of a group."""

from aiokafka.errors import (
    BrokerResponseError,
    InvalidTimestampError,
    KafkaError,
    PolicyViolationError,
    UnknownError,
    UnsupportedForMessageFormatError,
)


class InvalidRecordError(BrokerResponseError):  # type: ignore[misc]  # aiokafka publishes no types
    """The record has no key on a compacted topic, or fails a check of the broker."""

    errno = 87
    message = "INVALID_RECORD"
    description = "The broker refuses the record, for instance since it has no key and the topic is compacted"


class GroupMaxSizeReachedError(BrokerResponseError):  # type: ignore[misc]
    """The group is full."""

    errno = 81
    message = "GROUP_MAX_SIZE_REACHED"
    description = "The group has as many members as the brokers' group.max.size allows"

    def __repr__(self) -> str:
        # The client raises a generic error with this text only.
        return f"{type(self).__name__}: {self.description}"


class NotSentError(KafkaError):  # type: ignore[misc]
    """An earlier batch of the same partition and client has failed."""

    def __init__(self, first: BaseException) -> None:
        super().__init__(f"not sent: an earlier batch has failed: {type(first).__name__}: {first}".rstrip(": "))
        self.first = first


_REFUSALS = (
    InvalidRecordError,
    InvalidTimestampError,
    PolicyViolationError,
    UnsupportedForMessageFormatError,
    # Codes that the client does not know: none of them is an outage that a client should wait for.
    UnknownError,
)


def is_refusal(error: BaseException) -> bool:
    """Tell whether brokers refuse the batch, or an earlier one that kept it from being sent."""
    return isinstance(error.first if isinstance(error, NotSentError) else error, _REFUSALS)
