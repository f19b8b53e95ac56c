"""Sends records over one idempotent client at a time, which is replaced when it can no longer be trusted.

The client never gives up a batch, and a batch that failed after it took a sequence number makes its partition refuse
all later ones. So every send has a deadline of ours; when it passes, or an error that no retry mends comes back, a new
client takes over.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import compress

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

_FORGOTTEN_AFTER_SECONDS = 30.0
"""How long a failed send counts when nobody sends: for ever, a balancer would never send the request that heals."""
_SHRINKAGE = 4
_THROTTLED = "kafka: a quota of the brokers throttles this client"

Outcome = Receipt | Rejected | Unavailable


class Refused(Unavailable):
    """The brokers refuse the record, or one that it was to be sent with, for another reason than its size."""


class Producer:
    """Sends records with acks=all; connects and reconnects by itself once opened."""

    def __init__(
        self,
        brokers: Brokers,
        *,
        max_record_bytes: int,
        deadline: float,
        drain_limit: float,
        in_flight: InFlight | None = None,
    ) -> None:
        """Make a producer whose sends answer within `deadline` seconds; its end takes `drain_limit` and little more.

        `in_flight` bounds what its clients hold, the present one and those that are being drained together.
        """
        self._deadline = deadline
        self._in_flight = in_flight or InFlight()
        self._refused_sizes = RefusedSizes()
        make_client = partial(ProducerClient, brokers, max_record_bytes, self._in_flight, self._refused_sizes)
        self._clients = ClientReplacement(make_client, drain_limit)
        self._send_trouble: Unavailable | None = None
        """What sends have failed on since the last one that succeeded: the first cause, which later ones hide."""
        self._failed_at = float("-inf")

    async def open(self) -> None:
        """Begin to connect; returns at once."""
        self._clients.replace()

    async def close(self) -> None:
        """Flush for as long as the drain limit allows, and log how many records were not acknowledged by then."""
        unacknowledged = await self._clients.close()
        level = logging.WARNING if unacknowledged else logging.INFO
        logger.log(level, "the producer was closed", extra={"unacknowledged": unacknowledged})

    async def ping(self, topic: str) -> None:
        """Ask the brokers whether `topic` takes records; raises `Unavailable` also while sends fail."""
        client = self._clients.current
        if client is None:
            # Where connecting has ended on an unexpected error.
            self._clients.replace()
        else:
            self._is_held_up(client)
        if client is None or self._present_trouble is not None:
            raise self._present_trouble or Unavailable(NOT_CONNECTED)
        with translated():
            async with asyncio.timeout(self._deadline):
                exists = await client.exists(topic)
                is_allowed = await client.may_write(topic)
        if not exists:
            raise Unavailable(f"kafka: there is no topic {topic}")
        if not is_allowed:
            raise Unavailable(f"kafka: this user has no right to WRITE to topic {topic}")

    async def send(self, topic: str, records: Sequence[ProducerRecord]) -> list[Outcome]:
        """Send `records` in order through one client; one outcome each. The first wait for the connection.

        Once a record's outcome is unknown, so is that of the later ones in its partition, hence of those with its key.
        Where too much is in flight, or late since a quota throttles us, none is sent, which is answered at once.
        """
        end = asyncio.get_running_loop().time() + self._deadline
        client = self._clients.current
        has_waited = client is None
        if client is None and (client := await self._first_client(end)) is None:
            return [self._present_trouble or Unavailable(NOT_CONNECTED) for _ in records]
        if client.late and self._is_held_up(client):
            return [Unavailable(_THROTTLED) for _ in records]
        sizes = [*map(size_of, records)]
        try:
            if not client.partitions.knows(topic):
                await client.learn(topic, end)
            self._clients.topics.add(topic)
            self._in_flight.add(sizes)
        except Unavailable as unavailable:
            return [unavailable for _ in records]
        # Without a pause, so that no other call's records come between.
        appended = client.partitions.append(topic, records, sizes)
        batches = {each[0] for each in appended if isinstance(each, tuple)}
        # Waiting for all begins before the first pause: whoever comes later has a later end.
        for waiter in [batch.wait(end) for batch in batches]:
            await waiter
        outcomes = [self._outcome(client, topic, each) for each in appended]
        if client is self._clients.current:
            late = {batch for batch in batches if not batch.is_answered}
            is_throttled = bool(late) and client.throttled_until >= end - self._deadline
            if is_throttled:
                client.late |= late
            if is_throttled or has_waited:
                # Those are slow, or had little time left, and nothing else; the others may have failed.
                on_time = [not (isinstance(each, tuple) and each[0] in late) for each in appended]
                self._judge(batches - late, [*compress(outcomes, on_time)])
            else:
                self._judge(batches, outcomes)
        return outcomes

    async def _first_client(self, end: float) -> ProducerClient | None:
        """Wait until `end` for the client that is being connected; None where it is not by then."""
        connecting = self._clients.replace()
        await asyncio.wait([connecting], timeout=end - asyncio.get_running_loop().time())
        return self._clients.current

    def _is_held_up(self, client: ProducerClient) -> bool:
        """Tell whether what was late is still under way, so that more would be late as well.

        Where the throttle is over and it does not come all the same, the client is replaced.
        """
        client.late = {batch for batch in client.late if not batch.is_answered}
        is_overdue = client.time() > client.throttled_until + self._deadline
        if client.late and client is self._clients.current and is_overdue:
            self._clients.trouble = f"no acknowledgement within {self._deadline:g} s after a throttle"
            self._clients.replace()
        return bool(client.late)

    def _outcome(self, client: ProducerClient, topic: str, appended: AppendedRecord | KafkaError) -> Outcome:
        if not isinstance(appended, tuple):
            return Rejected(describe(appended)) if isinstance(appended, TOO_LARGE) else _not_taken(appended)
        batch, index = appended
        if batch.ack is not None:
            first: int = batch.ack.offset
            return Receipt(batch.ack.partition, first + index if first >= 0 else None)
        if batch.error is None:
            silence = f"no acknowledgement within {self._deadline:g} s: {retried_error(topic)}".rstrip(": ")
            return Unavailable(describe(TimeoutError(silence)))
        if not isinstance(batch.error, TOO_LARGE):
            return _not_taken(batch.error)
        if batch.records == 1:
            self._refused_sizes.note(topic, batch.builder.size())
            return Rejected(describe(batch.error))
        # With less company, or alone in the end, each of them may fit.
        self._clients.batch_bytes = min(self._clients.batch_bytes, client.batch_bytes // _SHRINKAGE)
        return Unavailable(f"{describe(batch.error)}: batches become smaller")

    def _judge(self, batches: Iterable[RecordBatch], outcomes: Sequence[Outcome]) -> None:
        """Replace the client where it can no longer be trusted."""
        failures = [outcome for outcome in outcomes if not isinstance(outcome, Receipt)]
        lost = [failure for failure in failures if isinstance(failure, Unavailable)]
        if len(failures) < len(outcomes):
            self._send_trouble = None
        if lost:
            self._send_trouble = self._send_trouble or lost[0]
            self._failed_at = asyncio.get_running_loop().time()
        if not failures:
            return
        # A refusal by the broker took a sequence number, one by the client did not.
        if lost or any(batch.error is not None for batch in batches):
            self._clients.replace()

    @property
    def _present_trouble(self) -> Unavailable | None:
        """Why records cannot be sent at present; None where nothing is known to be in the way."""
        is_fresh = asyncio.get_running_loop().time() - self._failed_at < _FORGOTTEN_AFTER_SECONDS
        if is_fresh and self._send_trouble is not None:
            # A new one each time: raised again and again, one would collect a trace without end.
            return type(self._send_trouble)(str(self._send_trouble))
        return Unavailable(self._clients.trouble) if self._clients.trouble else None


def _not_taken(error: BaseException) -> Unavailable:
    return (Refused if is_refusal(error) else Unavailable)(describe(error))
