"""Every patch of aiokafka, and every use of its private names: no other file has any.

A process calls `apply_patches` once, when it starts. Each module names the faults that it fixes, and their upstream
issues. A test in `tests/unit/test_kafka_patches.py` fails when upstream has fixed a fault: then its patch can go; or
when a method that is overridden or called here takes other parameters than before.
"""

from importlib.metadata import version
from typing import Final

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


def apply_patches() -> None:
    """Patch aiokafka for this process; a second call changes nothing.

    Raises `WrongDeployment` if the installed version is not the one that the patches were written for.
    """
    installed = version("aiokafka")
    if not installed.startswith(VERSION):
        raise WrongDeployment(f"aiokafka {installed} is installed, and {VERSION}x is needed: install the locked one")
    patch_connections()
    patch_clients()
    patch_fetched_records()
    patch_assignments()
    patch_errors()
