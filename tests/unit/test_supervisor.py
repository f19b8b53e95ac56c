"""What is checked before the start, and how the end of a child process is described."""

from pathlib import Path

import pytest

from entrypoints.config.environment import load_settings
from entrypoints.config.errors import SettingsError
from entrypoints.dev import supervisor
from tests.support.schema_folders import write
from tools.kafka import probe


@pytest.mark.parametrize(
    ("code", "description"), [(1, "with exit code 1"), (-9, "by signal 9 (Killed"), (-40, "by signal 40")]
)
def test_exit_is_described_by_code_or_signal(code: int, description: str) -> None:
    assert supervisor._describe_exit(code).startswith(description)


def test_wrong_schemas_are_told_before_anything_is_started(tmp_path: Path) -> None:
    """Once, and with the exit code of a wrong setting: the children would only end by themselves."""
    write(tmp_path / "schemas", {"A.json": {"type": "objekt"}})
    stated = {"EVENT_SCHEMAS": str(tmp_path / "schemas"), "DATA_DIR": str(tmp_path / "data"), "HOST": "127.0.0.1"}
    port, consumer_port = probe.free_ports(2)
    environment = {**stated, "PORT": str(port), "CONSUMER_PORT": str(consumer_port)}
    with pytest.raises(SettingsError, match=r"^EVENT_SCHEMAS: A.json#/type: must be one of"):
        supervisor.run_dev(load_settings(environment), environment, run=lambda _: None)
    assert not (tmp_path / "data").exists()
