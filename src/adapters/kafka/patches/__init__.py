"""Every patch of aiokafka, and every use of its private names: no other file has any.

A process calls `apply_patches` once, when it starts. Each module names the faults that it fixes, and their upstream
issues. A test in `tests/unit/test_kafka_patches.py` fails when upstream has fixed a fault: then its patch can go.
"""

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Final

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

from adapters.kafka.patches.connections import patch_connections, throttled_until
from adapters.kafka.patches.errors import patch_errors, retried_error
from adapters.kafka.patches.fetched_records import NotePassedOver, patch_fetched_records
from adapters.kafka.patches.group import committed_offsets, patch_assignments
from adapters.kafka.patches.rebootstrap import patch_clients
from adapters.kafka.patches.stops import stop_consumer, stop_producer
from domain.errors import WrongDeployment

__all__ = [
    "NotePassedOver",
    "apply_patches",
    "committed_offsets",
    "retried_error",
    "stop_consumer",
    "stop_producer",
    "throttled_until",
]

VERSION: Final = "0.14."
"""Versions begin so, as `pyproject.toml` bounds them."""

METHODS: Final[Mapping[Callable[..., object], tuple[str, ...]]] = {
    AIOKafkaConnection.connect: ("self",),
    AIOKafkaConnection.send: ("self", "request", "expect_response"),
    AIOKafkaConnection._send_sasl_token: ("self", "payload", "expect_response"),
    AIOKafkaConnection.close: ("self", "reason", "exc"),
    AIOKafkaClient.send: ("self", "node_id", "request", "group"),
    AIOKafkaClient._metadata_update: ("self", "cluster_metadata", "topics"),
    PartitionRecords.__init__: (
        *("self", "tp", "records", "aborted_transactions", "fetch_offset"),
        *("key_deserializer", "value_deserializer", "check_crcs", "isolation_level"),
    ),
    PartitionRecords._consume_aborted_up_to: ("self", "batch_offset"),
    _MemoryRecordsPy.next_batch: ("self", "_min_slice", "_magic_offset"),
    _DefaultRecordBatchPy._read_msg: ("self", "decode_varint"),
    GroupCoordinator.fetch_committed_offsets: ("self", "partitions"),
}


def apply_patches() -> None:
    """Patch aiokafka for this process; a second call changes nothing.

    Raises `WrongDeployment` if the installed version is not the one that the patches were written for.
    """
    installed = version("aiokafka")
    if not installed.startswith(VERSION):
        raise WrongDeployment(f"aiokafka {installed} is installed, and {VERSION}x is needed: install the locked one")
    for method, parameters in METHODS.items():
        if tuple(inspect.signature(method).parameters) != parameters:
            raise WrongDeployment(
                f"{method.__qualname__} of aiokafka takes other parameters than {', '.join(parameters)}"
            )
    patch_connections()
    patch_clients()
    patch_fetched_records()
    patch_assignments()
    patch_errors()
