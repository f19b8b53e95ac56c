"""Java and Kafka's jars: the machine's Java, and jars that Maven downloads into a cache shared by all runs."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

LEGACY_VERSION: Final = "3.9.2"
"""The last release line with ZooKeeper."""

_POM: Final = Path(__file__).with_name("pom.xml")
VERSION: Final = re.findall(r"<kafka\.version>(.+)</kafka\.version>", _POM.read_text())[0]
"""The compose files and the docs name the same version."""
_CACHE: Final = Path(__file__).parents[2] / ".cache" / "kafka"
_OLDEST_JAVA: Final = 17
_DOWNLOAD_SECONDS: Final = 900


class KafkaNotAvailable(Exception):
    """Kafka cannot run on this machine; the message names what is missing."""


def find_java() -> str:
    """The path of a Java that runs Kafka, from JAVA_HOME or else the PATH."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home, "bin")) if home else None)
    if java is None:
        raise KafkaNotAvailable(f"no java in JAVA_HOME={home}" if home else "no java on the PATH")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        raise KafkaNotAvailable(f"{java} is not Java {_OLDEST_JAVA} or newer: {told.strip()}")
    return java


def class_path(version: str) -> str:
    """The class path of a Kafka version, downloaded first if this machine has not got it yet.

    The cache is in `.cache/kafka` of the checkout, or where KAFKA_CACHE_DIR says.
    """
    cache = Path(os.environ.get("KAFKA_CACHE_DIR") or _CACHE).resolve()
    jars = cache / version
    if not jars.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / f"{version}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not jars.is_dir():
                _download(version, jars)
    return str(jars / "*")


def _download(version: str, jars: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaNotAvailable(f"no mvn on the PATH to download Kafka {version} with")
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix=f"{version}-") as directory:
        partial = Path(directory, "jars")
        command = [maven, "-B", "-q", "-f", str(_POM), f"-Dkafka.version={version}"]
        command += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={partial}"]
        try:
            maven_run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise KafkaNotAvailable(f"Maven took over {_DOWNLOAD_SECONDS} s to download Kafka {version}") from error
        if maven_run.returncode != 0:
            reason = next((line for line in maven_run.stdout.splitlines() if "[ERROR]" in line), maven_run.stderr)
            raise KafkaNotAvailable(f"Maven could not download Kafka {version}: {reason.strip()}")
        partial.rename(jars)
