"""The documents name files, settings and log lines that exist."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from entrypoints.config.settings import Settings

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LOG_LINES: Final = (
    "waiting for dependencies",
    "partition paused: dependency unavailable",
    "readiness changed",
    "waiting behind an open transaction",
    "request rejected",
    "reading record by record: consumers died here before",
    "reading in batches again",
    "the store refuses every event",
    "trying smaller batches",
    "batches have their usual size again",
    "dead letters refused by their topic: kept in the database",
    "dead letters need attention",
    "cannot index dead letters at present",
    "unknown environment variable",
    "payloads break their schema and are accepted",
)
"""Those that docs/operations.md quotes."""
MISSPELT: Final = {"DB_PASS", "KAFKA_BROKERS"}
"""The document's examples of variables that are no settings."""

_LINK: Final = re.compile(r"\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE_BLOCK: Final = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_SETTING: Final = re.compile(
    r"`((?:DB|DLQ|EVENT|KAFKA|LOG|MAX|BODY|RETRY|SCHEMA|WATCHDOG|SHUTDOWN|PUBLISH|KEEP|BATCH)_[A-Z_]+)[`=]"
)
_PATH: Final = re.compile(r"`((?:src|tests|tools|docs|benchmarks|deploy)/[\w./-]+)`")


def name_of(document: Path) -> str:
    """The path below the root."""
    return str(document.relative_to(ROOT))


def prose(document: Path) -> str:
    """The text without blocks of code."""
    return _CODE_BLOCK.sub("", document.read_text())


def anchors(document: Path) -> Iterator[str]:
    """The fragments of a document's headings, as GitHub makes them."""
    for heading in _HEADING.findall(prose(document)):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_leads_to_a_file_and_heading(document: Path) -> None:
    """Relative links, in a checkout."""
    for link in _LINK.finditer(prose(document)):
        target = (document.parent / link["path"]).resolve() if link["path"] else document
        assert target.exists(), link[0]
        if link["anchor"]:
            assert link["anchor"] in anchors(target), link[0]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_path_and_setting_exists(document: Path) -> None:
    """ADRs aside: they say what was so when they were written."""
    if document.parent.name == "adr":
        return
    text = prose(document)
    settings = {name.upper() for name in Settings.model_fields}
    assert {name.removesuffix("_FILE") for name in _SETTING.findall(text)} - settings <= MISSPELT
    assert [path for path in _PATH.findall(text) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("line", LOG_LINES)
def test_every_quoted_log_line_is_logged(line: str) -> None:
    """An operator searches for it."""
    assert line in " ".join((ROOT / "docs" / "operations.md").read_text().split())
    assert any(line in file.read_text() for file in (ROOT / "src").rglob("*.py"))


def test_picture_of_the_rooms_names_each_package() -> None:
    """Those of the layers; a use case or a part of the domain is a file."""
    picture = (ROOT / "docs" / "rooms.svg").read_text()
    named = set(re.findall(r'font-weight="bold">(\w+)</text>', picture))
    layers = [ROOT / "src" / layer for layer in ("entrypoints", "adapters", "application")]
    packages = {path.parent.name for layer in layers for path in layer.glob("*/__init__.py")}
    assert named == packages | {"container", "entrypoints", "adapters", "application", "domain"}
