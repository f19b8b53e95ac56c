"""The image, as far as it can be made without Docker: its build stage runs here as written."""

import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Final

import pytest

from tests.support.dockerfile import ROOT, run_stage, stage
from tests.support.workers import one_at_a_time

DOCKERFILE: Final = ROOT / "Dockerfile"
SOURCES: Final = ROOT / "src"


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build stage installs, made in a folder of its own."""
    # Of several workers each has a folder in that of the run.
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "image"
    folder.mkdir(exist_ok=True)
    with one_at_a_time(folder):
        prefix, complete = folder / "prefix", folder / "complete"
        if not complete.exists():
            _build(folder, prefix)
            complete.touch()
    return prefix


def _build(folder: Path, prefix: Path) -> None:
    scripts = sysconfig.get_path("scripts")
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    # Whatever pip has downloaded before need not come over the network again.
    environment |= {"PREFIX": str(prefix), "PATH": f"{scripts}:{environment['PATH']}", "PIP_NO_CACHE_DIR": "0"}
    run_stage("build", DOCKERFILE, folder / "build", environment)


def test_dockerfile_passes_the_linter() -> None:
    """Hadolint finds nothing, with all its rules on."""
    hadolint = Path(sysconfig.get_path("scripts"), "hadolint")
    linted = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


def test_dockerignore_lets_through_what_is_copied() -> None:
    """The context has each source of a COPY, and nothing else."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = {word for name, text in stage("build", DOCKERFILE) if name == "COPY" for word in text.split()[:-1]}
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


@pytest.mark.timeout(900)
def test_built_command_runs_without_the_checkout(prefix: Path, tmp_path: Path) -> None:
    """The entry point works where there is neither the source nor an environment."""
    command = prefix / "bin" / "user-events"
    told = subprocess.run([command, "--help"], cwd=tmp_path, env={}, capture_output=True, text=True, check=True).stdout
    assert all(name in told for name in ("api", "consumer", "migrate", "topics"))


@pytest.mark.timeout(900)
def test_built_packages_hold_every_source_file(prefix: Path) -> None:
    """Migrations are shipped too, all compiled to bytecode."""
    (installed,) = prefix.glob("lib/python*/site-packages")
    sources = [path.relative_to(SOURCES) for path in SOURCES.rglob("*.py")]
    assert Path("adapters/postgres/schema/migrations/env.py") in sources
    assert [path for path in sources if not (installed / path).is_file()] == []
    assert [path for path in sources if not list(_bytecode(installed / path))] == []


@pytest.mark.timeout(900)
def test_built_environment_has_no_installer(prefix: Path) -> None:
    """Nobody installs anything into a running container."""
    (installed,) = prefix.glob("lib/python*/site-packages")
    assert not (installed / "pip").exists()
    assert not (installed / "setuptools").exists()


def _bytecode(module: Path) -> list[Path]:
    return list((module.parent / "__pycache__").glob(f"{module.stem}.*.pyc"))
