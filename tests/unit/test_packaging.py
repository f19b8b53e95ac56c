"""The names that we install, and the lock files that we install from."""

import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.kafka.jars import VERSION

ROOT: Final = Path(__file__).parents[2]
LOCKS: Final = ("runtime", "local", "dev")
_PIN: Final = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)(?: ;[^\\]*)? \\$")
_HASH: Final = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")
_COMMENT: Final = re.compile(r"^\s*#")


def _lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text()


def _pins(lock: str) -> set[tuple[str, str]]:
    return {(canonicalize_name(pin["name"]), pin["version"]) for pin in map(_PIN.match, lock.splitlines()) if pin}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_licence_is_shipped_and_named(project: dict[str, Any]) -> None:
    """In words that registries understand."""
    assert (project["project"]["license"], project["project"]["license-files"]) == ("MIT", ["LICENSE"])
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_changelog_has_this_release(project: dict[str, Any]) -> None:
    """Dated, behind what is not released yet."""
    headings = re.findall(r"^## \[(.+)\](?: - \d{4}-\d\d-\d\d)?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", project["project"]["version"]]


def test_readme_names_the_version_of_kafka_that_the_tests_run_on() -> None:
    """One for all: Maven, compose files, docs."""
    named = re.findall(r"Kafka (\d+\.\d+\.\d+)", (ROOT / "README.md").read_text())
    assert set(named) == {VERSION}


def test_our_package_names_belong_to_no_dependency(project: dict[str, Any]) -> None:
    """The packages are at the top level, where a dependency's would shadow them."""
    owners = packages_distributions()
    for package in ("domain", "application", "adapters", "entrypoints"):
        assert set(owners[package]) == {project["project"]["name"]}


@pytest.mark.parametrize("name", LOCKS)
def test_lock_file_holds_pins_and_hashes_alone(name: str) -> None:
    """No index, address or option ties the installation to a place."""
    strays = [
        line
        for line in filter(None, _lock(name).splitlines())
        if not (_PIN.match(line) or _HASH.match(line) or _COMMENT.match(line))
    ]
    assert strays == []
    assert "://" not in _lock(name)


@pytest.mark.parametrize("name", LOCKS)
def test_lock_file_satisfies_what_the_project_asks_for(name: str, project: dict[str, Any]) -> None:
    """Every requirement of pyproject.toml is pinned to a version within its bounds."""
    asked = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    asked += project["project"]["optional-dependencies"]["embedded"] if name != "runtime" else []
    asked += project["dependency-groups"]["dev"] if name == "dev" else []
    pinned = dict(_pins(_lock(name)))
    for requirement in map(Requirement, asked):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not locked"
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}"


def test_larger_lock_files_contain_the_smaller_ones() -> None:
    """What is tested is what is deployed."""
    runtime, local, dev = (_pins(_lock(name)) for name in LOCKS)
    assert runtime < local < dev
