"""Java processes that never outlive the one that started them."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Process = subprocess.Popen[bytes]

# Linux sends the parent-death signal when the *thread* that started a child ends: this thread lasts as long as Python.
_STARTER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafka-starter")
# From util-linux; without it nodes outlive a parent that is killed (but not one that ends).
_SETPRIV: Final = shutil.which("setpriv")
_DIE_WITH_PARENT: Final = [_SETPRIV, "--pdeathsig", "KILL"] if _SETPRIV else []
_LINES: Final = 20
# Fast to start and small, at some cost to the throughput of a warm broker.
_JVM: Final = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-XX:+ExitOnOutOfMemoryError"]
_LOGGING: Final = ["-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"]


class KafkaFailed(Exception):
    """A node ended or did not become ready in time; the message has the reason, from its log."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process, and the offset of its log file at which this run begins."""

    process: Process
    log: Path
    begins: int

    def trouble(self) -> str:
        """The first errors that this run logged, or its last lines if there are none."""
        with self.log.open("rb") as log:
            log.seek(self.begins)
            lines = log.read().decode(errors="replace").splitlines()
        errors = [line for line in lines if " ERROR " in line or "Exception" in line]
        return "\n".join(errors[:_LINES] or lines[-_LINES:])


def java_command(java: str, class_path: str, heap: str, main: str, *arguments: str) -> list[str]:
    """The command line of a Java program with a heap such as `256m`."""
    return [java, f"-Xmx{heap}", *_JVM, *_LOGGING, "-cp", class_path, main, *arguments]


def start(command: Sequence[str], log: Path) -> Running:
    """Start a program with its output appended to a file; on Linux it is killed if this process dies in any way."""
    with log.open("ab") as output:
        begins = output.tell()
        process = _STARTER.submit(
            subprocess.Popen,
            [*_DIE_WITH_PARENT, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal reaches a whole group at once; nodes have to stop in order.
            start_new_session=True,
        ).result()
    return Running(process, log, begins)


def stop(processes: Iterable[Process], limit: float) -> None:
    """Terminate programs together; kill those that are still up after `limit` seconds."""
    alive = [process for process in processes if process.poll() is None]
    for process in alive:
        process.terminate()
        process.send_signal(signal.SIGCONT)  # a process that a test has paused would not receive it otherwise
    deadline = time.monotonic() + limit
    for process in alive:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
