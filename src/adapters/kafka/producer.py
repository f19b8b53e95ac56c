"""One idempotent producer at a time, replaced when it can no longer be trusted.

The client's own producer never gives up a batch, and a batch that failed after taking a sequence number makes its
partition refuse all later ones. So every send has a deadline of ours; when it passes, or an error that no retry mends
comes back, a new producer takes over.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextvars import copy_context
from functools import partial

from aiokafka.errors import KafkaError

from adapters.in_flight import InFlight, size_of
from adapters.kafka.connection import Brokers, describe, translated
from adapters.kafka.pending import Pending, Sent, join
from adapters.kafka.record_batches import TOO_LARGE, Outgoing
from adapters.kafka.refusals import is_refusal
from adapters.kafka.refused_sizes import RefusedSizes
from adapters.kafka.retried_errors import retried_error
from adapters.kafka.sending_client import SendingClient
from application.ports import Receipt
from domain.errors import Rejected, Unavailable

logger = logging.getLogger(__name__)

_RENEWAL_PAUSE_SECONDS = 10.0
_CONNECT_PAUSE_SECONDS = 1.0
_NOT_CONNECTED = "kafka: producer: not connected yet"
_FORGOTTEN_AFTER_SECONDS = 30.0
"""How long a failed send counts when nobody sends: for ever, a balancer would never send the request that heals."""
BATCH_BYTES = 65_536
"""Of the first client. A partition has one batch on its way at a time, so that small ones keep the others waiting."""
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
        self._brokers = brokers
        self._max_record_bytes = max_record_bytes
        self._deadline = deadline
        self._drain_limit = drain_limit
        self._in_flight = in_flight or InFlight()
        self._refused_sizes = RefusedSizes()
        self._batch_bytes = BATCH_BYTES
        """Of the next client: less once a topic has refused a batch, for all topics and until the process ends."""
        self._current: SendingClient | None = None
        self._retired: set[asyncio.Task[int]] = set()
        self._renewal: asyncio.Task[None] | None = None
        self._context = copy_context()
        self._renewed_at = float("-inf")
        self._trouble = _NOT_CONNECTED
        """Why there is no new client; empty where there is one."""
        self._send_trouble: Unavailable | None = None
        """What sends have failed on since the last one that succeeded: the first cause, which later ones hide."""
        self._failed_at = float("-inf")
        self._topics: set[str] = set()
        """Those that are sent to, which the next client is to know before it takes over."""

    async def open(self) -> None:
        """Begin to connect; returns at once."""
        self._renew()

    async def close(self) -> None:
        """Flush for as long as the drain limit allows, and log how many records were not acknowledged by then."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])
        if self._current is not None:
            self._retire(self._current)
            self._current = None
        unacknowledged = sum(await asyncio.gather(*self._retired))
        level = logging.WARNING if unacknowledged else logging.INFO
        logger.log(level, "the producer was closed", extra={"unacknowledged": unacknowledged})

    async def ping(self, topic: str) -> None:
        """Ask the brokers whether `topic` takes records; raises `Unavailable` also while sends fail."""
        client = self._current
        if client is None:
            # Where connecting has ended on an unexpected error.
            self._renew()
        else:
            self._is_held_up(client)
        if client is None or self._present_trouble is not None:
            raise self._present_trouble or Unavailable(_NOT_CONNECTED)
        with translated():
            async with asyncio.timeout(self._deadline):
                is_known = await client.knows(topic)
                is_allowed = await client.may_write(topic)
        if not is_known:
            raise Unavailable(f"kafka: there is no topic {topic}")
        if not is_allowed:
            raise Unavailable(f"kafka: this user has no right to WRITE to topic {topic}")

    async def send(self, topic: str, records: Sequence[Outgoing]) -> list[Outcome]:
        """Send `records` in order through one client; one outcome each. The first wait for the connection.

        Once a record's outcome is unknown, so is that of the later ones in its partition, hence of those with its key.
        Where too much is in flight, or late since a quota throttles us, none is sent, which is answered at once.
        """
        end = asyncio.get_running_loop().time() + self._deadline
        client = self._current
        has_waited = client is None
        if client is None and (client := await self._first_client(end)) is None:
            return [self._present_trouble or Unavailable(_NOT_CONNECTED) for _ in records]
        if client.late and self._is_held_up(client):
            return [Unavailable(_THROTTLED) for _ in records]
        sizes = [*map(size_of, records)]
        try:
            if not client.batches.knows(topic):
                await self._learn(client, topic, end)
            self._topics.add(topic)
            self._in_flight.add(sizes)
        except Unavailable as unavailable:
            return [unavailable for _ in records]
        # Without a pause, so that no other call's records come between.
        appended = [*map(partial(self._append, client, topic), records, sizes)]
        waiting = {one.batch for one in appended if isinstance(one, Sent)}
        for waiter in join(waiting, end):
            await waiter
        outcomes = [*map(partial(self._outcome, client, topic), records, appended)]
        if client is self._current:
            late = {batch for batch in waiting if not batch.word.done()}
            is_throttled = client.throttled_until >= end - self._deadline
            if late and (is_throttled or has_waited):
                # Those are slow, or had little time left, and nothing else; the others may have failed.
                if is_throttled:
                    client.late |= late
                slow = [isinstance(one, Sent) and one.batch in late for one in appended]
                self._judge(waiting - late, [each for each, is_slow in zip(outcomes, slow, strict=True) if not is_slow])
            else:
                self._judge(waiting, outcomes)
        return outcomes

    async def _first_client(self, end: float) -> SendingClient | None:
        """Wait until `end` for the client that is being connected; None where it is not by then."""
        connecting = self._renew()
        await asyncio.wait([connecting], timeout=end - asyncio.get_running_loop().time())
        return self._current

    def _is_held_up(self, client: SendingClient) -> bool:
        """Tell whether what was late is still under way, so that more would be late as well.

        Where the throttle is over and it does not come all the same, the client is replaced.
        """
        client.late = {batch for batch in client.late if not batch.word.done()}
        if client.late and client is self._current and client.time() > client.throttled_until + self._deadline:
            self._trouble = f"no acknowledgement within {self._deadline:g} s after a throttle"
            self._renew()
        return bool(client.late)

    async def _learn(self, client: SendingClient, topic: str, end: float) -> None:
        with translated():
            async with asyncio.timeout_at(end):
                await client.learn(topic)

    def _append(self, client: SendingClient, topic: str, record: Outgoing, size: int) -> Sent | Rejected | Unavailable:
        outcome: Rejected | Unavailable
        try:
            self._refused_sizes.check(topic, record)
            return client.batches.append(topic, record, size)
        except TOO_LARGE as error:
            outcome = Rejected(describe(error))
        except KafkaError as error:
            outcome = _not_taken(error)
        self._in_flight.remove(size)
        return outcome

    def _outcome(
        self, client: SendingClient, topic: str, record: Outgoing, appended: Sent | Rejected | Unavailable
    ) -> Outcome:
        if not isinstance(appended, Sent):
            return appended
        word = appended.batch.word
        if not word.done():
            silence = f"no acknowledgement within {self._deadline:g} s: {retried_error(topic)}".rstrip(": ")
            return Unavailable(describe(TimeoutError(silence)))
        error = word.exception()
        if error is None:
            first = word.result()
            return Receipt(first.partition, first.offset + appended.place if first.offset >= 0 else None)
        if not isinstance(error, TOO_LARGE):
            return _not_taken(error)
        if appended.batch.records == 1:
            self._refused_sizes.note(topic, record)
            return Rejected(describe(error))
        # With less company, or alone in the end, each of them may fit.
        self._batch_bytes = min(self._batch_bytes, client.batch_bytes // _SHRINKAGE)
        return Unavailable(f"{describe(error)}: batches become smaller")

    def _judge(self, waiting: Iterable[Pending], outcomes: Sequence[Outcome]) -> None:
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
        if lost or any(batch.word.exception() is not None for batch in waiting):
            self._renew()

    @property
    def _present_trouble(self) -> Unavailable | None:
        """Why records cannot be sent at present; None where nothing is known to be in the way."""
        is_fresh = asyncio.get_running_loop().time() - self._failed_at < _FORGOTTEN_AFTER_SECONDS
        if is_fresh and self._send_trouble is not None:
            # A new one each time: raised again and again, one would collect a trace without end.
            return type(self._send_trouble)(str(self._send_trouble))
        return Unavailable(self._trouble) if self._trouble else None

    def _renew(self) -> asyncio.Task[None]:
        if self._renewal is None or self._renewal.done():
            # Not in the context of a request, whose id the lines would bear.
            self._renewal = asyncio.create_task(self._replace(self._current), context=self._context)
        return self._renewal

    async def _replace(self, old: SendingClient | None) -> None:
        """Put a connected client in the place of `old`, which serves until then and is drained afterwards."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._renewed_at + _RENEWAL_PAUSE_SECONDS - loop.time()))
        while (new := await self._connect()) is None:
            await asyncio.sleep(_CONNECT_PAUSE_SECONDS)
        self._current, self._renewed_at, self._trouble = new, loop.time(), ""
        if old is not None:
            logger.warning("the producer was replaced")
            self._retire(old)

    async def _connect(self) -> SendingClient | None:
        client = SendingClient(self._brokers, self._max_record_bytes, self._batch_bytes, self._in_flight)
        try:
            await client.start(self._topics)
        except Unavailable as unavailable:
            self._trouble = str(unavailable)
            self._retire(client)
            return None
        except BaseException:
            self._retire(client)
            raise
        return client

    def _retire(self, client: SendingClient) -> None:
        """Drain `client` beside the work."""
        draining = asyncio.create_task(client.stop(self._drain_limit))
        self._retired.add(draining)
        draining.add_done_callback(self._retired.discard)


def _not_taken(error: BaseException) -> Unavailable:
    return (Refused if is_refusal(error) else Unavailable)(describe(error))
