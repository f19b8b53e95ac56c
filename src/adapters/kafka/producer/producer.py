"""Sends records through one idempotent client at a time, and replaces the client when a send fails.

The client retries a batch without limit. After a batch with a sequence number has failed, its partition refuses all
later batches of the client. So each send has a deadline; when the deadline passes, or the brokers return an error that
no retry mends, a new client takes over.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from functools import partial

from aiokafka.errors import KafkaError

from adapters.in_flight import InFlight, size_of
from adapters.kafka.connection import Brokers, describe, translated
from adapters.kafka.patches import retried_error
from adapters.kafka.producer.client import ProducerClient
from adapters.kafka.producer.client_replacement import NOT_CONNECTED, ClientReplacement
from adapters.kafka.producer.partition_sender import TOO_LARGE
from adapters.kafka.producer.record_batches import AppendedRecord, ProducerRecord, RecordBatch
from adapters.kafka.producer.refused_sizes import RefusedSizes
from adapters.kafka.refusals import is_refusal
from application.ports import Receipt
from domain.errors import Rejected, Unavailable

logger = logging.getLogger(__name__)

_SEND_ERROR_SECONDS = 30.0
"""How long `ping` reports a failed send: if it did for ever, a load balancer would send no request that succeeds."""
_SHRINKAGE = 4
_THROTTLED = "kafka: a quota of the brokers throttles this client"

PublishOutcome = Receipt | Rejected | Unavailable


class Refused(Unavailable):
    """The brokers refuse the record, or another one of its batch, for another reason than its size."""


class _Late(Unavailable):
    """There is no acknowledgement yet."""


class Producer:
    """Sends records with acks=all; once opened, it connects and reconnects by itself."""

    def __init__(self, brokers: Brokers, *, max_record_bytes: int, deadline: float, drain_limit: float) -> None:
        """Make a producer whose sends return within `deadline` seconds, and which closes within about `drain_limit`."""
        self._deadline = deadline
        self._in_flight = InFlight()
        """Bounds the records of all clients: the current one and those that are being drained."""
        self._refused_sizes = RefusedSizes()
        make_client = partial(ProducerClient, brokers, max_record_bytes, self._in_flight, self._refused_sizes)
        self._clients = ClientReplacement(make_client, drain_limit)
        self._send_error: Unavailable | None = None
        """The first error since the last send that succeeded: later errors are often only its consequences."""
        self._failed_at = float("-inf")

    async def open(self) -> None:
        """Begin to connect; returns at once."""
        self._clients.replace()

    async def close(self) -> None:
        """Flush within the drain limit, and log how many records were not acknowledged."""
        unacknowledged = await self._clients.close()
        level = logging.WARNING if unacknowledged else logging.INFO
        logger.log(level, "the producer was closed", extra={"unacknowledged": unacknowledged})

    async def ping(self, topic: str) -> None:
        """Ask the brokers whether `topic` takes records; raises `Unavailable`, also while sends fail."""
        client = self._clients.current
        if client is None:
            # An unexpected error may have ended the attempts to connect.
            self._clients.replace()
        else:
            self._has_late_batches(client)
        if client is None or self._current_error is not None:
            raise self._current_error or Unavailable(NOT_CONNECTED)
        with translated():
            async with asyncio.timeout(self._deadline):
                exists = await client.exists(topic)
                is_allowed = await client.may_write(topic)
        if not exists:
            raise Unavailable(f"kafka: there is no topic {topic}")
        if not is_allowed:
            raise Unavailable(f"kafka: this user has no right to WRITE to topic {topic}")

    async def send(self, topic: str, records: Sequence[ProducerRecord]) -> list[PublishOutcome]:
        """Send `records` in order through one client; return one outcome each. The first calls wait for a connection.

        Once a record's outcome is unknown, so are those of all later records of the call in its partition, hence of
        all with its key. If too many records are in flight, or batches are late because a quota throttles the client,
        the call sends nothing and returns at once.
        """
        end = asyncio.get_running_loop().time() + self._deadline
        client = self._clients.current
        has_waited = client is None
        if client is None and (client := await self._first_client(end)) is None:
            return [self._current_error or Unavailable(NOT_CONNECTED) for _ in records]
        if client.late and self._has_late_batches(client):
            return [Unavailable(_THROTTLED) for _ in records]
        sizes = [size_of(each.key, each.value, each.headers) for each in records]
        try:
            if not client.knows(topic):
                await client.fetch_metadata(topic, end)
            self._clients.topics.add(topic)
            self._in_flight.add(sizes)
        except Unavailable as unavailable:
            return [unavailable for _ in records]
        # No await before this returns: no other call's records come between.
        appended = client.append(topic, records, sizes)
        batches = {each[0] for each in appended if isinstance(each, tuple)}
        for waiter in [batch.wait(end) for batch in batches]:
            await waiter
        outcomes = [self._outcome(client, topic, each) for each in appended]
        if client is self._clients.current:
            late = {batch for batch in batches if not batch.is_answered}
            is_throttled = bool(late) and client.throttled_until >= end - self._deadline
            if is_throttled:
                client.late |= late
            # After a wait for the connection there was little time left for an acknowledgement.
            self._check_client(batches, outcomes, may_be_late=is_throttled or has_waited)
        return outcomes

    async def _first_client(self, end: float) -> ProducerClient | None:
        """Wait for a connected client; return None if there is none at `end`."""
        connecting = self._clients.replace()
        await asyncio.wait([connecting], timeout=end - asyncio.get_running_loop().time())
        return self._clients.current

    def _has_late_batches(self, client: ProducerClient) -> bool:
        """Tell whether throttled batches are still not acknowledged: new records would wait behind them.

        If the throttle is over for longer than the deadline, replace the client.
        """
        client.late = {batch for batch in client.late if not batch.is_answered}
        is_overdue = asyncio.get_running_loop().time() > client.throttled_until + self._deadline
        if client.late and client is self._clients.current and is_overdue:
            self._clients.error = f"no acknowledgement within {self._deadline:g} s after a throttle"
            self._clients.replace()
        return bool(client.late)

    def _outcome(self, client: ProducerClient, topic: str, appended: AppendedRecord | KafkaError) -> PublishOutcome:
        if not isinstance(appended, tuple):
            return Rejected(describe(appended)) if isinstance(appended, TOO_LARGE) else _not_taken(appended)
        batch, index = appended
        if batch.ack is not None:
            first: int = batch.ack.offset
            return Receipt(batch.ack.partition, first + index if first >= 0 else None)
        if batch.error is None:
            silence = f"no acknowledgement within {self._deadline:g} s: {retried_error(topic)}".rstrip(": ")
            return _Late(describe(TimeoutError(silence)))
        if not isinstance(batch.error, TOO_LARGE):
            return _not_taken(batch.error)
        if batch.records == 1:
            self._refused_sizes.note(topic, batch.size)
            return Rejected(describe(batch.error))
        # In smaller batches, or alone, each record may fit.
        self._clients.batch_bytes = min(self._clients.batch_bytes, client.batch_bytes // _SHRINKAGE)
        return Unavailable(f"{describe(batch.error)}: batches become smaller")

    def _check_client(
        self, batches: Iterable[RecordBatch], outcomes: Sequence[PublishOutcome], *, may_be_late: bool
    ) -> None:
        """Remember the first error, and replace the client if a batch has failed or is late."""
        failures = [outcome for outcome in outcomes if not isinstance(outcome, Receipt)]
        if len(failures) < len(outcomes):
            self._send_error = None
        if not failures:
            return
        if may_be_late:
            failures = [failure for failure in failures if not isinstance(failure, _Late)]
        lost = [failure for failure in failures if isinstance(failure, Unavailable)]
        if lost:
            self._send_error = self._send_error or lost[0]
            self._failed_at = asyncio.get_running_loop().time()
        # A record that a broker refused has used a sequence number; one that the client refused has not.
        if lost or any(batch.error is not None for batch in batches):
            self._clients.replace()

    @property
    def _current_error(self) -> Unavailable | None:
        """Why records cannot be sent now; None if no reason is known."""
        is_fresh = asyncio.get_running_loop().time() - self._failed_at < _SEND_ERROR_SECONDS
        if is_fresh and self._send_error is not None:
            # A new error each time: one that is raised again and again would collect tracebacks without end.
            return type(self._send_error)(str(self._send_error))
        return Unavailable(self._clients.error) if self._clients.error else None


def _not_taken(error: BaseException) -> Unavailable:
    return (Refused if is_refusal(error) else Unavailable)(describe(error))
