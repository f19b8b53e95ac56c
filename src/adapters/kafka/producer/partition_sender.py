"""Sends the batches of a partition one after the other, through the client's public `send_batch`.

The client's own `send` makes a future for each record and waits while a batch is full; it costs more than the rest of
publishing an event. Here a call appends to the last batch of a partition at once and then waits for the batch. A batch
is closed when it is sent; records that arrive while it is on its way go together into the next batch.
"""

import asyncio
from collections import deque
from contextvars import Context

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, ProducerClosed, RecordListTooLargeError

from adapters.in_flight import InFlight
from adapters.kafka.producer.record_batches import AppendedRecord, ProducerRecord, RecordBatch
from adapters.kafka.refusals import NotSentError

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
"""The brokers' errors for a record or a batch that is too large."""


class PartitionSender:
    """A queue of batches: the first is on its way, the last takes more records."""

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, number: int, in_flight: InFlight, context: Context
    ) -> None:
        """Release records from `in_flight` once they are acknowledged or have failed; run the task in `context`."""
        self.number = number
        self.sending: asyncio.Task[None] | None = None
        """The task that sends; None while the queue is empty."""
        self._producer = producer
        self._topic = topic
        self._in_flight = in_flight
        self._context = context
        self._batches: deque[RecordBatch] = deque()
        self._failure: BaseException | None = None

    @property
    def unacknowledged(self) -> int:
        """How many records wait for an acknowledgement."""
        return sum(batch.records for batch in self._batches)

    def append(self, record: ProducerRecord, size: int, max_bytes: int) -> AppendedRecord:
        """Append a record, which has `size` bytes without its frame.

        Raises `MessageSizeTooLargeError` for a record that makes a batch of more than `max_bytes` alone. Raises
        `NotSentError` once a batch has failed: its records may be sent again, and this one must not overtake them.
        """
        if self._failure is not None:
            raise NotSentError(self._failure)
        if self._batches and (index := self._batches[-1].append(record, size)) is not None:
            return self._batches[-1], index
        batch = RecordBatch(self._producer.create_batch())
        batch.append(record, size)
        if (alone := batch.builder.size()) > max_bytes:
            raise MessageSizeTooLargeError(f"{alone} bytes are more than {max_bytes}")
        self._batches.append(batch)
        if self.sending is None:
            self._send()
        return batch, 0

    def _send(self) -> None:
        self.sending = asyncio.get_running_loop().create_task(self._send_all(), context=self._context)
        self.sending.add_done_callback(self._end)

    async def _send_all(self) -> None:
        # One more turn of the event loop, in which other calls append: otherwise batches have a sixth fewer records.
        await asyncio.sleep(0)
        while self._batches:
            builder = self._batches[0].builder
            builder.close()
            ack = await (await self._producer.send_batch(builder, self._topic, partition=self.number))
            self._pop().answer(ack)

    def _end(self, sending: asyncio.Task[None]) -> None:
        """Fail the batch that was being sent, and all behind it unless it was one record that is too large."""
        self.sending = None
        error = ProducerClosed() if sending.cancelled() else sending.exception()
        if error is not None:
            failed = self._pop()
            failed.answer(None, error)
            # A record that is too large is not sent again: nothing can overtake it.
            if not (isinstance(error, TOO_LARGE) and failed.records == 1):
                self._failure = error
                while self._batches:
                    self._pop().answer(None, NotSentError(error))
        if self._batches:
            self._send()

    def _pop(self) -> RecordBatch:
        batch = self._batches.popleft()
        self._in_flight.remove(batch.size, batch.records)
        return batch
