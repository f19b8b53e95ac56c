"""Why brokers cannot be reached: the Kafka client only logs it, and raises errors without a cause."""

import ssl
from asyncio import IncompleteReadError
from collections.abc import Iterator
from time import monotonic
from typing import Final

from aiokafka.errors import IllegalSaslStateError, KafkaConnectionError, UnsupportedSaslMechanismError

_REMEMBERED_SECONDS: Final = 60.0
"""Clients retry more often, unless the broker has left the cluster."""
_MISFIT = (
    KafkaConnectionError,
    IllegalSaslStateError,
    IncompleteReadError,
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
    ssl.SSLError,
)
"""Errors of a connection whose two ends speak different protocols."""
_failures: dict[str, tuple[str, float]] = {}
"""The last cause and its time, by the address of a broker; removed once the broker is reached."""


def note_failure(address: str, cause: str) -> None:
    """Remember why `address` could not be reached; `cause` is one line without secrets."""
    _failures[address] = (cause, monotonic())


def forget_failure(address: str) -> None:
    """Forget the failure: `address` was reached."""
    _failures.pop(address, None)


def failures() -> Iterator[str]:
    """List the addresses that could not be reached recently, in order, each with the cause."""
    for address, (cause, at) in sorted(_failures.items()):
        if monotonic() - at < _REMEMBERED_SECONDS:
            yield f"{address}: {cause}"


def cause_of(error: BaseException, *, protocol: str, mechanism: str, limit: float) -> str:
    """Say in one line why a connection failed; `limit` is the time limit in seconds."""
    if isinstance(error, TimeoutError):
        return f"no answer within {limit:g} s"
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"the broker does not offer KAFKA_SASL_MECHANISM={mechanism}"
    if isinstance(error, _MISFIT) and not isinstance(error, ssl.SSLCertVerificationError):
        what = "the TLS handshake failed" if isinstance(error, ssl.SSLError) else "the broker closed the connection"
        return f"{what}: this port may expect another KAFKA_SECURITY_PROTOCOL than {protocol}"
    return str(error) or type(error).__name__
