"""The list of settings is generated, and a check finds when it is not."""

from pathlib import Path

import pytest

from entrypoints.config.settings import Settings
from tools.configuration_doc import main, render


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The document's path, in a checkout of this test's own."""
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "docs" / "configuration.md"


def test_document_of_this_checkout_is_up_to_date() -> None:
    """With the settings class."""
    assert (Path(__file__).parents[3] / "docs" / "configuration.md").read_text() == render()


def test_every_setting_has_one_row() -> None:
    """With its default; a secret has two names."""
    rows = [line for line in render().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [name.upper() for name in Settings.model_fields]
    assert [row.split("`")[3] for row in rows if "_FILE`" in row] == ["KAFKA_SASL_PASSWORD_FILE", "DB_PASSWORD_FILE"]
    assert "| `PORT` | `3000` | whole number from 1 to 65535 | Port of the api. |" in rows


def test_written_document_passes_the_check(document: Path) -> None:
    assert main([]) == 0
    assert main(["--check"]) == 0


def test_outdated_document_fails_the_check_unchanged(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check prints the difference and the command to run."""
    document.write_text(render().replace("`3000`", "`4000`"))
    assert main(["--check"]) == 1
    assert "`4000`" in document.read_text()
    told = capsys.readouterr().err
    assert "-| `PORT` | `4000`" in told
    assert "+| `PORT` | `3000`" in told
    assert "make docs" in told


def test_missing_document_fails_the_check(document: Path) -> None:
    """The check does not create it."""
    assert main(["--check"]) == 1
    assert not document.exists()
