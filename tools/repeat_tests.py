"""Run all tests again and again, each time in another order, until one run fails.

Prints a line for each run: its seed, how many tests passed, and the seconds. The output of a run that fails stays in
`.cache/test-repeat.log`. With `--load` two busy processes and one that makes the disk write run beside the tests.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import randbelow
from typing import Final

from tools.kafka import processes

_OUTPUT: Final = Path(".cache/test-repeat.log")
_SEEDS: Final = 2**32
_SHOWN_LINES: Final = 40
_STOP_SECONDS: Final = 10.0
_BUSY: Final = "while True: pass"
_WRITING: Final = """
import os, sys
with open(sys.argv[1], "wb", buffering=0) as file:
    while True:
        file.seek(0)
        file.write(bytes(1 << 20))
        os.fsync(file.fileno())
"""


@contextmanager
def _load() -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="user-events-load-") as directory:
        log, written = Path(directory, "log"), Path(directory, "written")
        scripts = [[_BUSY], [_BUSY], [_WRITING, str(written)]]
        started = [processes.start([sys.executable, "-c", *script], log).process for script in scripts]
        try:
            yield
        finally:
            processes.stop(started, _STOP_SECONDS)


def _repeat(runs: int, command: Sequence[str]) -> int:
    _OUTPUT.parent.mkdir(exist_ok=True)
    for run in range(1, runs + 1):
        seed = randbelow(_SEEDS)
        began = time.monotonic()
        with _OUTPUT.open("wb") as output:
            status = subprocess.run(
                [*command, f"--randomly-seed={seed}"], stdout=output, stderr=subprocess.STDOUT, check=False
            ).returncode
        told = _OUTPUT.read_text(errors="replace")
        passed = re.findall(r"\b(\d+) passed\b", told)
        print(
            f"run {run} of {runs}: seed {seed}, {passed[-1] if passed else 0} passed, exit code {status}, "
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )
        if status != 0:
            print("\n".join(told.splitlines()[-_SHOWN_LINES:]), f"\nall of it: {_OUTPUT}", file=sys.stderr)
            return status
    return 0


def main() -> int:
    """Repeat the tests; return the exit code of the run that failed, or 0."""
    parser = argparse.ArgumentParser(prog="python -m tools.repeat_tests", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="the most runs [%(default)s]")
    parser.add_argument("--load", action="store_true", help="beside another load")
    parser.add_argument("command", nargs="+", help="the command that runs the tests, after --")
    arguments = parser.parse_args()
    if not arguments.load:
        return _repeat(arguments.runs, arguments.command)
    with _load():
        return _repeat(arguments.runs, arguments.command)


if __name__ == "__main__":
    sys.exit(main())
