"""The figures in the documents are those of the file of results, and `make bench` takes the image's Python."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from benchmarks.document import Document

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture
def results() -> dict[str, Any]:
    """The file of this checkout."""
    loaded: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    return loaded


@pytest.mark.parametrize("name", ["performance.md", "scaling.md"])
def test_document_has_the_figures_of_the_results_file(name: str, results: dict[str, Any]) -> None:
    """It was generated after the last change of the results."""
    text = (ROOT / "docs" / name).read_text()
    assert "<!-- generated: " in text
    assert Document(results).fill(text) == text


def test_changed_figure_changes_the_document(results: dict[str, Any]) -> None:
    """With its verdict."""
    (figure,) = [each for each in results["figures"] if (each["key"], each["variant"]) == ("start_s", "api")]
    figure["value"] = 2.5
    text = Document(results).fill("<!-- generated: figures by hand -->\nold\n<!-- end -->\n")
    assert "| `start_s` | `api` | 2.5 s |  |  | ≤ 2 s ✗ | 1 |" in text
    assert "old" not in text


def test_figures_of_several_commits_are_refused(results: dict[str, Any]) -> None:
    """A table of two runs says nothing about either."""
    results["figures"][0]["commit"] = "0000000"
    with pytest.raises(ValueError, match="several commits"):
        Document(results)
