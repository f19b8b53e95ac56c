"""The launcher of real brokers: what it needs, whom it keeps out, and that nothing it started outlives it."""

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.client import AIOKafkaClient

from tests.support.kafka import running
from tools.kafka import KafkaCluster, KafkaFailed, KafkaNotAvailable, jars, probe

# Starts a broker, says which process it is, and waits to be killed.
LAUNCHER = """
import sys
from pathlib import Path
from tools.kafka import KafkaCluster
with KafkaCluster(Path(sys.argv[1])) as cluster:
    print(cluster.process(1).pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of `cluster`."""
    return tmp_path_factory.mktemp("kafka")


@pytest.fixture(scope="module")
def cluster(directory: Path) -> Iterator[KafkaCluster]:
    """One broker behind a port where a proxy could be."""
    with running(KafkaCluster(directory, advertised_ports=probe.free_ports(1))) as started:
        yield started


async def test_clients_are_sent_to_the_advertised_port(cluster: KafkaCluster) -> None:
    """Asked on its own port, a broker names the advertised one, and so does `bootstrap`."""
    (own_port,) = cluster.ports
    client = AIOKafkaClient(bootstrap_servers=f"127.0.0.1:{own_port}")
    await client.bootstrap()
    (broker,) = client.cluster.brokers()
    await client.close()
    assert cluster.bootstrap == f"127.0.0.1:{broker.port}" != f"127.0.0.1:{own_port}"


def test_a_restarted_broker_is_another_process_on_the_same_port(cluster: KafkaCluster) -> None:
    """A restart keeps what clients know and returns when the broker serves again."""
    before, ports = cluster.process(1), cluster.ports
    cluster.restart(1)
    assert before.returncode is not None
    assert cluster.process(1).pid != before.pid
    assert cluster.ports == ports
    assert probe.registered_brokers(ports[0]) == {1}


def test_a_directory_in_use_is_refused(cluster: KafkaCluster, directory: Path) -> None:
    """Two clusters on the same data would spoil it, so the second one does not start."""
    with pytest.raises(KafkaFailed, match="another Kafka"):
        KafkaCluster(directory).start()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux")
def test_a_broker_dies_with_a_parent_that_is_killed(cluster: KafkaCluster, tmp_path: Path) -> None:
    """Even kill -9 of the process that started it leaves no broker behind."""
    command = [sys.executable, "-c", LAUNCHER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        broker = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        ended, _, _ = select.select([broker], [], [], 10)
        os.close(broker)
    assert ended


def test_every_broker_needs_a_port(tmp_path: Path) -> None:
    """A wrong number of ports is a mistake of the caller."""
    with pytest.raises(ValueError, match="3 brokers"):
        KafkaCluster(tmp_path, brokers=3, ports=[9092])


def test_without_java_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JAVA_HOME without Java is named in the reason that tests are skipped for."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(KafkaNotAvailable, match=str(tmp_path)):
        KafkaCluster(tmp_path).start()


def test_without_maven_and_jars_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maven is missed only where the jars are not in the cache yet."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KAFKA_CACHE_DIR", str(tmp_path))
    with pytest.raises(KafkaNotAvailable, match="no mvn"):
        jars.class_path(jars.VERSION)
    (tmp_path / jars.VERSION).mkdir()
    assert jars.class_path(jars.VERSION) == str(tmp_path / jars.VERSION / "*")
