"""Version and commit: of a checkout, of an image, and where neither is known."""

import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from entrypoints.config import program

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What was found out in other tests is forgotten, and in others what was found out here."""
    monkeypatch.delenv(program.COMMIT_VARIABLE, raising=False)
    program.commit.cache_clear()
    yield
    program.commit.cache_clear()


def test_commit_of_an_image_is_from_its_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has neither a checkout nor git."""
    monkeypatch.setenv(program.COMMIT_VARIABLE, "0123abcd")
    assert program.commit() == "0123abcd"


def test_commit_of_a_checkout_is_its_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a mark after local changes."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=me", "-c", "user.email=me@example.invalid"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    (tmp_path / "file").write_text("as committed")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "first"], check=True)
    subprocess.run([*git, "tag", "v9"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    monkeypatch.setattr(program, "_CHECKOUT", tmp_path)
    assert program.commit() == head[:12]
    program.commit.cache_clear()
    (tmp_path / "file").write_text("changed")
    assert program.commit() == f"{head[:12]}-dirty"


@pytest.mark.parametrize("is_checkout", [True, False])
def test_commit_is_unknown_without_checkout_or_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_checkout: bool
) -> None:
    """The start goes on."""
    if is_checkout:
        (tmp_path / ".git").mkdir()
        monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(program, "_CHECKOUT", tmp_path)
    assert program.commit() == "unknown"


def test_release_is_the_installed_version() -> None:
    """The one that pip and the changelog name."""
    assert program.release() == version("user-activity-events")
