"""A cluster's `postmaster.pid`: whether its server is ready, runs, or is an orphan; and how to stop a server."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

POLL = 0.01
# Lines of the file, from zero.
PID_LINE, STATE_LINE = 0, 7
# Fast shutdown, immediate shutdown, kill; each with the seconds until the next.
ESCALATION = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


def is_ready(cluster: Path, pid: int) -> bool:
    """Whether the server with this process id reports that it accepts connections."""
    lines = _pid_file_lines(cluster)
    return len(lines) > STATE_LINE and lines[PID_LINE] == str(pid) and lines[STATE_LINE].strip() in {"ready", "standby"}


def is_served(cluster: Path) -> bool:
    """Whether any server of this cluster runs."""
    lines = _pid_file_lines(cluster)
    return bool(lines) and lines[PID_LINE].isdigit() and _serves(int(lines[PID_LINE]), cluster)


def stop_orphan(cluster: Path) -> None:
    """Stop a server that outlived its launcher. The caller must hold the cluster's lock."""
    lines = _pid_file_lines(cluster)
    if lines and lines[PID_LINE].isdigit() and _serves(pid := int(lines[PID_LINE]), cluster):
        end(lambda number: os.kill(pid, number), lambda: not _serves(pid, cluster))
    # By now the process id may be another program's; PostgreSQL would take that for a server and refuse to start.
    # It still refuses where processes of the server remain, since it finds their shared memory.
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def end(send: Callable[[int], None], has_ended: Callable[[], bool], *, immediate: bool = False) -> None:
    """Send ever stronger signals until the server has ended; `immediate` skips the orderly first one."""
    for number, limit in ESCALATION[immediate:]:
        try:
            send(number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if has_ended():
                return
            time.sleep(POLL)


def _pid_file_lines(cluster: Path) -> list[str]:
    """Read the lines that the server has written so far, perhaps none."""
    try:
        return (cluster / "postmaster.pid").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _serves(pid: int, cluster: Path) -> bool:
    """Whether this process is a server of this cluster, judged by its command line."""
    return f"/postgres -D {cluster} -c " in _command_line(pid)


def _command_line(pid: int) -> str:
    """Return the process's arguments; empty when it has ended, even where its parent has not waited for it yet."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    ps = ["/bin/ps", "-o", "args=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout
