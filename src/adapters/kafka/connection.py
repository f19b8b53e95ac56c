"""The address of the brokers, and their errors in the domain's terms."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import BrokerResponseError, InconsistentGroupProtocolError, KafkaError, RequestTimedOutError

from adapters.kafka.connection_failures import failures
from adapters.kafka.refusals import NotSentError
from domain.errors import Unavailable, WrongDeployment


@dataclass(frozen=True, slots=True)
class Brokers:
    """Where the cluster is and how to reach it."""

    bootstrap: str
    """Comma list of host:port."""
    client_id: str = "user-events"
    security_protocol: str = "PLAINTEXT"
    tls: ssl.SSLContext | None = None
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: Callable[[], str] | None = field(default=None, repr=False)
    """Asked for each connection, since the password may change. An `OSError` that it raises is an outage."""

    def options(self) -> dict[str, Any]:
        """Render the arguments for any aiokafka client, once `apply_patches` was called."""
        return {
            "bootstrap_servers": self.bootstrap,
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
            "ssl_context": self.tls,
            "sasl_mechanism": self.sasl_mechanism or "PLAIN",
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password,
            # Short, since one lock guards the connecting to all brokers.
            "request_timeout_ms": 10_000,
            # So that new partitions are read within half a minute: to join the group for them takes some more.
            "metadata_max_age_ms": 20_000,
        }


@contextmanager
def translated() -> Iterator[None]:
    """Turn the client's errors into the domain's."""
    try:
        yield
    except InconsistentGroupProtocolError as error:
        raise WrongDeployment(
            "kafka: the group's members speak another assignment protocol than KAFKA_ASSIGNOR; beside members of the "
            "predecessor (KafkaJS) set KAFKA_ASSIGNOR=kafkajs"
        ) from error
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(describe(error)) from error


def describe(error: BaseException) -> str:
    """Name an error in one line, and which brokers cannot be reached where that may be why."""
    name, text = type(error).__name__, str(error)
    told = text if name in text else f"{name}: {text}".rstrip(": ")
    first = error.first if isinstance(error, NotSentError) else error
    is_answer = isinstance(first, BrokerResponseError) and not isinstance(first, RequestTimedOutError)
    unreached = "" if is_answer else "; ".join(failures())
    if not unreached:
        return f"kafka: {told}"
    return f"kafka: {name}: {unreached}" if "Unable to bootstrap" in text else f"kafka: {told} ({unreached})"
