"""A Compose file as Compose itself understands it, without Docker."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
_SECRETS: Final = PurePosixPath("/run/secrets")
_DURATION: Final = re.compile(r"(?:(?P<minutes>\d+)m)?(?P<seconds>\d+)s")


def find_compose() -> list[str] | None:
    """The command of Compose, the plugin rather than the older program; None where neither is installed."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        # Docker may be there without the plugin.
        if subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0:
            return command
    return None


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a stack; `mounted` maps paths in its container to files and folders."""

    name: str
    definition: dict[str, Any]
    mounted: dict[str, Path]

    @property
    def is_ours(self) -> bool:
        """Whether it is built here."""
        return "build" in self.definition

    @property
    def environment(self) -> dict[str, str]:
        """Its variables as its container sees them."""
        return {name: str(value) for name, value in self.definition.get("environment", {}).items()}

    @property
    def stop_grace_seconds(self) -> int:
        """How long it may take to end."""
        duration = _DURATION.fullmatch(self.definition["stop_grace_period"])
        assert duration is not None
        return 60 * int(duration["minutes"] or 0) + int(duration["seconds"])

    @property
    def published_on(self) -> set[str]:
        """The addresses of the host that its ports are published on."""
        ports = self.definition.get("ports", [])
        return {port["host_ip"] if isinstance(port, dict) else port.rsplit(":", 2)[0] for port in ports}

    def process_environment(self) -> dict[str, str]:
        """Its variables for a process outside the container: what is mounted is where it really is."""
        return {name: str(self.mounted.get(value, value)) for name, value in self.environment.items()}


def render(compose: list[str], file: str) -> dict[str, Service]:
    """The services of a Compose file; raises `CalledProcessError` with the reason where Compose refuses it."""
    # Variables that this process has must not leak in.
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    command = [*compose, "--file", file, "config"]
    rendered = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    stack = yaml.safe_load(rendered)
    files = {name: Path(secret["file"]) for name, secret in stack["secrets"].items()}
    return {name: Service(name, each, _mounted(each, files)) for name, each in stack["services"].items()}


def _mounted(definition: dict[str, Any], files: dict[str, Path]) -> dict[str, Path]:
    secrets = definition.get("secrets", [])
    mounted = {str(_SECRETS / secret.get("target", secret["source"])): files[secret["source"]] for secret in secrets}
    for volume in definition.get("volumes", []):
        # The older program writes one line for each.
        source, target = (volume["source"], volume["target"]) if isinstance(volume, dict) else volume.split(":")[:2]
        mounted[target] = Path(source)
    return mounted
