"""A description of the machine that measures."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.events import Size, payloads
from benchmarks.servers import Servers

_SAMPLE = 1_000
_GIB = 1024**3
_LIBRARIES = ("aiokafka", "asyncpg", "uvicorn", "uvloop", "msgspec", "litestar")


async def describe(servers: Servers) -> dict[str, Any]:
    """Describe versions, machine, settings and payloads."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "versions": {
            # The build matters as much as the version.
            "python": sys.version,
            "kafka": servers.kafka.version,
            "postgresql": await servers.postgres.version(),
            **{name: version(name) for name in _LIBRARIES},
        },
        "cores": os.cpu_count(),
        "cpu": _cpu_model(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB, 1),
        # As for the tests: small and quick to start, with less throughput.
        "kafka_jvm": servers.kafka_jvm,
        "postgresql_settings": await servers.settings(),
        "payload_bytes": {size: round(_mean_bytes(size)) for size in ("200", "2k")},
    }


def commit() -> str:
    """Name the measured commit, as git does."""
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _mean_bytes(size: Size) -> float:
    return mean(len(payload) for payload in islice(payloads(size), _SAMPLE))
