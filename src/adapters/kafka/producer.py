"""One idempotent producer at a time, replaced when it can no longer be trusted.

The client's own producer never gives up a batch, and a batch that failed after taking a sequence number makes its
partition refuse all later ones. So every send has a deadline of ours; when it passes, or an error that no retry mends
comes back, a new producer takes over.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed, RecordListTooLargeError
from aiokafka.structs import RecordMetadata

from adapters.kafka.connection import Brokers, describe, translated
from application.ports import Receipt
from domain.errors import Rejected, Unavailable

logger = logging.getLogger(__name__)

_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_RENEWAL_PAUSE_SECONDS = 10.0
_START_LIMIT_SECONDS = 15.0
_CONNECT_PAUSE_SECONDS = 1.0
_ABANDON_LIMIT_SECONDS = 5.0
_NULL = object()
"""Stands for a value that is None, which the client refuses to send where the key is None too."""


class Outgoing(NamedTuple):
    """A record to be sent."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


Outcome = Receipt | Rejected | Unavailable


class Producer:
    """Sends records with acks=all; connects and reconnects by itself once opened."""

    def __init__(self, brokers: Brokers, *, max_record_bytes: int, deadline: float, drain_limit: float) -> None:
        """Make a producer whose sends answer within `deadline` seconds and whose end takes `drain_limit` at most."""
        self._brokers = brokers
        self._max_record_bytes = max_record_bytes
        self._deadline = deadline
        self._drain_limit = drain_limit
        self._current: AIOKafkaProducer | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._renewed_at = float("-inf")
        self._trouble = "not connected yet"
        self._unacknowledged: set[asyncio.Future[RecordMetadata]] = set()

    async def open(self) -> None:
        """Begin to connect; returns at once."""
        self._renew()

    async def close(self) -> None:
        """Flush for as long as the drain limit allows, and log what was not acknowledged by then."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])
        if self._current is not None:
            await self._drain(self._current)
            self._current = None

    async def ping(self, topic: str) -> None:
        """Ask the brokers for `topic`; raises `Unavailable` also while the last send's outcome was unknown."""
        if self._current is None or self._trouble:
            raise Unavailable(f"kafka: producer: {self._trouble}")
        with translated():
            async with asyncio.timeout(self._deadline):
                cluster = await self._current.client.fetch_all_metadata()
        if not cluster.partitions_for_topic(topic):
            raise Unavailable(f"kafka: there is no topic {topic}")

    async def send(self, records: Sequence[Outgoing]) -> list[Outcome]:
        """Send `records` in order through one producer; one outcome each.

        Once a record's outcome is unknown, the later unsent ones with the same key are not sent.
        """
        producer = self._current
        if producer is None:
            return [Unavailable(f"kafka: producer: {self._trouble}") for _ in records]
        end = asyncio.get_running_loop().time() + self._deadline
        queued = await self._queue(producer, records, end)
        waiting = [each for each in queued if isinstance(each, asyncio.Future)]
        if waiting:
            await asyncio.wait(waiting, timeout=max(0.0, end - asyncio.get_running_loop().time()))
        outcomes = [self._outcome(each) if isinstance(each, asyncio.Future) else each for each in queued]
        # A refusal by the broker took a sequence number, one by the client did not.
        refused = any(each.done() and each.exception() is not None for each in waiting)
        lost = next((outcome for outcome in outcomes if isinstance(outcome, Unavailable)), None)
        if producer is self._current:
            self._trouble = "" if lost is None else str(lost)
            if refused or lost is not None:
                self._renew()
        return outcomes

    async def _queue(
        self, producer: AIOKafkaProducer, records: Sequence[Outgoing], end: float
    ) -> list[asyncio.Future[RecordMetadata] | Rejected | Unavailable]:
        queued: list[asyncio.Future[RecordMetadata] | Rejected | Unavailable] = []
        lost: set[bytes | None] = set()
        try:
            async with asyncio.timeout_at(end):
                for record in records:
                    if record.key in lost:
                        queued.append(Unavailable("kafka: not sent, as an earlier record of the same key was not"))
                        continue
                    try:
                        queued.append(await self._enqueue(producer, record))
                    except _TOO_LARGE as error:
                        queued.append(Rejected(describe(error)))
                    except (KafkaError, OSError) as error:
                        lost.add(record.key)
                        queued.append(Unavailable(describe(error)))
        except TimeoutError:
            missing = len(records) - len(queued)
            queued += [Unavailable(f"kafka: not sent within {self._deadline:g} s") for _ in range(missing)]
        return queued

    async def _enqueue(self, producer: AIOKafkaProducer, record: Outgoing) -> asyncio.Future[RecordMetadata]:
        future: asyncio.Future[RecordMetadata] = await producer.send(
            record.topic,
            key=record.key,
            value=_NULL if record.value is None else record.value,
            headers=list(record.headers),
        )
        self._unacknowledged.add(future)
        future.add_done_callback(self._acknowledge)
        return future

    def _acknowledge(self, future: asyncio.Future[RecordMetadata]) -> None:
        self._unacknowledged.discard(future)
        if not future.cancelled():
            # Read, so that an outcome nobody waits for any more is not reported as forgotten.
            future.exception()

    def _outcome(self, future: asyncio.Future[RecordMetadata]) -> Outcome:
        if not future.done():
            return Unavailable(f"kafka: no acknowledgement within {self._deadline:g} s")
        if future.cancelled():
            return Unavailable("kafka: the producer was closed")
        error = future.exception()
        if error is None:
            metadata = future.result()
            return Receipt(metadata.partition, metadata.offset if metadata.offset >= 0 else None)
        return (Rejected if isinstance(error, _TOO_LARGE) else Unavailable)(describe(error))

    def _renew(self) -> None:
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._replace(self._current))

    async def _replace(self, old: AIOKafkaProducer | None) -> None:
        """Put a connected producer in the place of `old`, which serves until then and is drained afterwards."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._renewed_at + _RENEWAL_PAUSE_SECONDS - loop.time()))
        while (new := await self._connect()) is None:
            await asyncio.sleep(_CONNECT_PAUSE_SECONDS)
        self._current, self._renewed_at, self._trouble = new, loop.time(), ""
        if old is not None:
            logger.warning("the producer was replaced")
            await self._drain(old)

    async def _connect(self) -> AIOKafkaProducer | None:
        producer = AIOKafkaProducer(
            **self._brokers.options(),
            enable_idempotence=True,
            acks="all",
            max_request_size=self._max_record_bytes,
            value_serializer=_serialize,
        )
        try:
            async with asyncio.timeout(_START_LIMIT_SECONDS):
                await producer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            self._trouble = describe(error)
            await self._drain(producer)
            return None
        except asyncio.CancelledError:
            await self._drain(producer)
            raise
        return producer

    async def _drain(self, producer: AIOKafkaProducer) -> None:
        try:
            async with asyncio.timeout(self._drain_limit):
                await producer.stop()
        except Exception as error:  # noqa: BLE001 - a client that is given up may fail in any way, and nobody else should
            logger.warning(
                "the producer was closed with records not acknowledged",
                extra={"cause": describe(error), "records": len(self._unacknowledged)},
            )
            await _abandon(producer)


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Close the tasks and connections that a flush cut short leaves open: the client's second `stop` does nothing."""
    with suppress(Exception):
        async with asyncio.timeout(_ABANDON_LIMIT_SECONDS):
            await producer.client.close()
            await producer._sender.close()  # noqa: SLF001 - the client offers no end without a flush
    producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001 - as above


def _serialize(value: object) -> object:
    return None if value is _NULL else value
