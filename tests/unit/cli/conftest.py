"""An environment of the tests' own."""

from pathlib import Path

import pytest

from entrypoints.cli import deployment
from entrypoints.cli import run as cli_run
from entrypoints.cli.dlq import session
from entrypoints.config.settings import Settings
from tests.unit.cli.letter_world import LetterWorld


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take our own variables out of the environment, leave the tests' logging as it is, and do not wait for servers."""
    # There may be an instance in the folder that the tests are started in.
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(cli_run, "configure_logging", lambda *_, **__: None)
    monkeypatch.setattr(deployment, "_PATIENCE_SECONDS", 0.05)


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> LetterWorld:
    """Four dead letters in memory instead of those in the database."""
    world = LetterWorld()
    monkeypatch.setattr(session, "assembled", world.open)
    return world
