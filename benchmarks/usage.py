"""Processor time and memory of processes, as Linux counts them."""

import os
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_KIB_PER_MB = 1024


class _Stat(NamedTuple):
    parent: int
    ticks: int
    """Of the process and of its children that have ended."""


def cpu_seconds(pid: int) -> float:
    """Return the processor seconds of a process and all its children, including those that have ended."""
    stats = {int(entry.name): stat for entry in Path("/proc").glob("[0-9]*") if (stat := _stat(entry)) is not None}
    ticks = sum(stat.ticks for number, stat in stats.items() if pid in {number, stat.parent})
    return ticks / _TICKS


def peak_memory_mb(pid: int) -> float:
    """Return the peak memory of a process so far, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return peak / _KIB_PER_MB


def _stat(entry: Path) -> _Stat | None:
    try:
        # The name, in parentheses, may have any characters.
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None  # it has ended meanwhile
    # See proc_pid_stat(5): ppid is its field 4, utime, stime, cutime and cstime are the fields 14 to 17.
    return _Stat(int(fields[1]), sum(map(int, fields[11:15])))
