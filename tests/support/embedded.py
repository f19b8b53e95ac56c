"""Everything on this machine, as `make run` starts it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

_END_SECONDS = 90


@contextmanager
def running(folder: Path, ports: tuple[int, int], environment: Mapping[str, str]) -> Iterator[Path]:
    """Start an instance with ports of the api and the consumer; yield its data folder, in `folder`.

    Settings of servers are not inherited.
    """
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "DB_"))}
    data = folder / "data"
    own = {"PORT": str(ports[0]), "CONSUMER_PORT": str(ports[1]), "DATA_DIR": str(data)}
    dev = [sys.executable, "-m", "entrypoints", "dev"]
    process = subprocess.Popen(dev, env={**bare, **environment, **own}, cwd=folder, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if b"ready: http" in line:
                break
        else:
            pytest.fail(f"ended with exit code {process.wait()} before it was ready")
        yield data
        process.send_signal(signal.SIGINT)
        assert process.wait(_END_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
