"""Each fault that is mended in aiokafka is still there: where one of these tests fails, its patch can go."""

import asyncio
import inspect
import logging
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final
from uuid import uuid4

import aiokafka.errors
import pytest
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import SaslPlainAuthenticator
from aiokafka.consumer import fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.coordinator.protocol import ConsumerProtocol, ConsumerProtocolMemberAssignment
from aiokafka.errors import (
    BrokerResponseError,
    KafkaConnectionError,
    KafkaError,
    NotEnoughReplicasError,
    UnknownError,
    for_code,
)
from aiokafka.producer import sender
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import PartitionMetadata, TopicPartition

from adapters.kafka import patches
from adapters.kafka.patches import (
    apply_patches,
    connections,
    errors,
    fetched_records,
    rebootstrap,
    retried_error,
    stop_producer,
)
from adapters.kafka.refusals import GroupMaxSizeReachedError, InvalidRecordError
from domain.errors import WrongDeployment
from tests.support.waiting import eventually

Connection = connections._Connection
UnpatchedConnection = Connection.__base__
UnpatchedClient = rebootstrap._Client.__base__
UnpatchedPartitionRecords = fetched_records._PartitionRecords.__base__
WHERE = TopicPartition("events", 0)
METHODS: Final[Mapping[Callable[..., object], tuple[str, ...]]] = {
    UnpatchedConnection.connect: ("self",),
    UnpatchedConnection.send: ("self", "request", "expect_response"),
    UnpatchedConnection._send_sasl_token: ("self", "payload", "expect_response"),
    UnpatchedConnection.close: ("self", "reason", "exc"),
    UnpatchedClient.send: ("self", "node_id", "request", "group"),
    UnpatchedClient._metadata_update: ("self", "cluster_metadata", "topics"),
    UnpatchedPartitionRecords.__init__: (
        *("self", "tp", "records", "aborted_transactions", "fetch_offset"),
        *("key_deserializer", "value_deserializer", "check_crcs", "isolation_level"),
    ),
    UnpatchedPartitionRecords._consume_aborted_up_to: ("self", "batch_offset"),
    _MemoryRecordsPy.next_batch: ("self", "_min_slice", "_magic_offset"),
    _DefaultRecordBatchPy._read_msg: ("self", "decode_varint"),
    GroupCoordinator.fetch_committed_offsets: ("self", "partitions"),
}
_CRC_AT, _CHECKED_FROM = 17, 21


class Writer:
    """Counts what is written; never broken."""

    def __init__(self) -> None:
        self.written = 0

    def write(self, _data: bytes) -> None:
        self.written += 1

    def is_closing(self) -> bool:
        return False


@contextmanager
def open_connection(kind: Any, writer: object) -> Iterator[Any]:
    """Make a connection that is open, and knows what a broker speaks."""
    connection = kind("127.0.0.1", 1)
    connection._writer, connection._reader, connection._read_task = writer, object(), SimpleNamespace(done=lambda: True)
    connection._closed_fut = asyncio.get_running_loop().create_future()
    connection._versions = {MetadataRequest.API_KEY: (0, 5)}
    yield connection
    # Otherwise it complains that it was not closed.
    connection._reader = None


def test_installed_version_is_known() -> None:
    """A new version is taken by hand; patches are applied once, however often that is asked for."""
    apply_patches()
    apply_patches()
    assert aiokafka.conn.AIOKafkaConnection is Connection


def test_other_version_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a line that says what to do."""
    monkeypatch.setattr(patches, "version", lambda _name: "0.15.1")
    with pytest.raises(WrongDeployment, match=r"aiokafka 0\.15\.1 is installed, and 0\.14\.x is needed"):
        apply_patches()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__qualname__)
def test_patched_method_takes_the_known_parameters(method: Callable[..., object]) -> None:
    """An override would otherwise get what it does not expect."""
    assert tuple(inspect.signature(method).parameters) == METHODS[method]


async def test_password_is_not_asked_for() -> None:
    """Patch: connections."""
    loop = asyncio.get_running_loop()
    with pytest.raises(TypeError, match="expected str"):
        await SaslPlainAuthenticator(loop=loop, sasl_plain_username="u", sasl_plain_password=lambda: "p").step(None)


@pytest.mark.parametrize(
    ("kind", "error"),
    [(UnpatchedConnection, RuntimeError), (Connection, KafkaConnectionError)],
    ids=["bare", "patched"],
)
def test_write_to_a_broken_connection_raises_runtime_error(kind: Any, error: type[Exception]) -> None:
    """Patch: connections; aiokafka 1038. On uvloop, which the processes run on."""

    async def write() -> None:
        async with await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            _, writer = await asyncio.open_connection(host, port)
            writer.transport.abort()
            await asyncio.sleep(0)
            with open_connection(kind, writer) as connection, pytest.raises(error):
                connection.send(MetadataRequest([]))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(write())


@pytest.mark.parametrize(("kind", "written"), [(UnpatchedConnection, 2), (Connection, 1)], ids=["bare", "patched"])
async def test_throttled_connection_sends_at_once(kind: Any, written: int) -> None:
    """Patch: connections; KIP-219."""
    writer = Writer()
    with open_connection(kind, writer) as connection:
        asking = asyncio.ensure_future(connection.send(MetadataRequest([])))
        connection._requests[-1][2].set_result(SimpleNamespace(throttle_time_ms=60_000))
        await asking
        again = asyncio.ensure_future(connection.send(MetadataRequest([])))
        await asyncio.sleep(0.01)
        assert writer.written == written
        again.cancel()
        await asyncio.wait([again])


async def test_failure_to_connect_has_no_cause() -> None:
    """Patch: connections."""
    client = UnpatchedClient(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(KafkaConnectionError) as raised:
        await client.bootstrap()
    assert "Connect call failed" not in str(raised.value)
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)


@pytest.mark.parametrize(("kind", "times"), [(UnpatchedClient, 0), (rebootstrap._Client, 1)], ids=["bare", "patched"])
async def test_client_without_brokers_does_not_bootstrap(
    kind: Any, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patch: rebootstrap; aiokafka 459."""
    bootstrapped: list[object] = []

    async def bootstrap(self: object) -> None:
        bootstrapped.append(self)
        raise KafkaConnectionError

    monkeypatch.setattr(UnpatchedClient, "bootstrap", bootstrap)
    assert not await kind(bootstrap_servers="127.0.0.1:1")._metadata_update(ClusterMetadata(), [])
    assert len(bootstrapped) == times


@pytest.mark.parametrize("kind", [UnpatchedClient, rebootstrap._Client], ids=["bare", "patched"])
async def test_offsets_are_asked_for_behind_fetches(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patch: rebootstrap."""
    groups: list[object] = []

    async def ready(self: object, _node: object, *, group: object) -> bool:
        groups.append(group)
        return False

    monkeypatch.setattr(UnpatchedClient, "ready", ready)
    client = kind(bootstrap_servers="127.0.0.1:1")
    for request in (OffsetRequest(-1, 0, []), MetadataRequest([])):
        with pytest.raises(KafkaError):
            await client.send(1, request)
    assert (groups[0] == groups[1]) is (kind is UnpatchedClient)


def test_unreadable_record_before_the_wanted_offset_raises() -> None:
    """Patch: fetched_records; aiokafka 321. The broker returns the whole batch."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000_000)
    for offset, name in enumerate(["BROKEN", "sound"]):
        builder.append(offset, 1_700_000_000_000, b"user", b"value", [(name, b"")])
    batch = bytearray(builder.build())
    at = batch.index(b"BROKEN")
    batch[at : at + 6] = b"\xff\xfe\xfd\xfc\xfb\xfa"
    struct.pack_into(">I", batch, _CRC_AT, calc_crc32c(bytes(batch[_CHECKED_FROM:])))

    with pytest.raises(UnicodeDecodeError):
        next(UnpatchedPartitionRecords(WHERE, MemoryRecords(bytes(batch)), [], 1, None, None, True, 1))
    found = fetcher.PartitionRecords(WHERE, fetcher.MemoryRecords(bytes(batch)), [], 1, None, None, True, 1)
    assert [record.offset for record in found] == [1]


def test_assignment_that_was_left_out_raises() -> None:
    """Patch: group; KafkaJS leaves out members without partitions."""
    with pytest.raises(ValueError, match="unpack"):
        ConsumerProtocolMemberAssignment.decode(b"")
    assert ConsumerProtocol.ASSIGNMENT.decode(b"").assignment == []


def test_committed_offsets_take_a_request_each() -> None:
    """Patch: group."""
    assert tuple(inspect.signature(AIOKafkaConsumer.committed).parameters) == ("self", "partition")


def test_errors_have_no_names() -> None:
    """Patch: errors."""
    known = [each for each in vars(aiokafka.errors).values() if isinstance(each, type)]
    codes = {each.errno for each in known if issubclass(each, BrokerResponseError) and hasattr(each, "errno")}
    assert UnknownError.errno in codes
    for error in (InvalidRecordError, GroupMaxSizeReachedError):
        assert error.errno not in codes
        assert for_code(error.errno) is error


def test_retried_error_is_only_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patch: errors. By the names of the installed client; reported for its topic, and for a while."""
    assert errors.MESSAGE in inspect.getsource(sender)
    assert "delivery_timeout_ms" not in inspect.signature(AIOKafkaProducer).parameters
    topic = f"topic-{uuid4().hex}"
    message = f"{errors.MESSAGE} %s, retrying. Error: %s"
    logging.getLogger(sender.log.name).warning(message, TopicPartition(topic, 0), NotEnoughReplicasError)
    assert retried_error(topic) == "NotEnoughReplicasError"
    assert retried_error("another") == ""
    monkeypatch.setattr(errors, "_REMEMBERED_SECONDS", 0.0)
    assert retried_error(topic) == ""


async def test_stop_waits_for_brokers_without_limit() -> None:
    """Patch: stops; aiokafka 1101. What was cut short goes on, and a second stop does nothing."""
    before = asyncio.all_tasks()
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1", request_timeout_ms=50, enable_idempotence=True)
    producer.client.cluster._partitions["events"] = {0: PartitionMetadata("events", 0, 1, [1], [1], None)}
    producer._txn_manager.set_pid_and_epoch(1, 0)
    await producer._sender.start()
    batch = producer.create_batch()
    batch.append(timestamp=None, key=b"key", value=b"value", headers=[])
    sent = await producer.send_batch(batch, "events", partition=0)
    stopping = asyncio.create_task(producer.stop())
    # Beyond the time-out of requests.
    await asyncio.wait([stopping], timeout=0.3)
    await producer.stop()
    assert not stopping.done()
    assert not sent.done()

    stopping.cancel()
    await stop_producer(producer, is_flushed=False)

    async def nothing_is_left() -> bool:
        return asyncio.all_tasks() <= before

    await eventually(nothing_is_left, "no task")
