"""The file of results: a figure is kept until it is measured anew."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.machine import commit
from benchmarks.targets import TARGETS

_DIGITS = 6


class Results:
    """Figures and errors by key and variant; written after each change."""

    def __init__(self, path: Path, machine: Mapping[str, Any]) -> None:
        self._path = path
        self._machine = machine
        self._commit = commit()
        self._figures: dict[tuple[str, str], dict[str, Any]] = {}
        if path.exists():
            kept: list[dict[str, Any]] = json.loads(path.read_text())["figures"]
            self._figures = {(each["key"], each["variant"]): each for each in kept}

    def take(self, figures: Iterable[Figure]) -> None:
        """Replace earlier figures."""
        for figure in figures:
            self._figures[figure.key, figure.variant] = _shown(figure) | {"commit": self._commit}
        self._write()

    def take_error(self, key: str, variants: Iterable[str], error: str) -> None:
        """Note an error in place of figures."""
        for variant in variants:
            self._figures[key, variant] = {"key": key, "variant": variant, "error": error, "commit": self._commit}
        self._write()

    @property
    def figures(self) -> list[Mapping[str, Any]]:
        """All figures, in the order of the targets."""
        order = [(key, variant) for key, variants in TARGETS.items() for variant in variants]
        return [self._figures[place] for place in order if place in self._figures]

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps({**self._machine, "figures": self.figures}, indent=2) + "\n")


def _shown(figure: Figure) -> dict[str, Any]:
    target = TARGETS[figure.key][figure.variant]
    judged = figure.value if figure.ratio is None else figure.ratio
    met = (
        {}
        if target is None
        else {
            "reach": target.reach,
            "reached": target.met(target.reach, judged),
            "aim": target.aim,
            "aimed": target.met(target.aim, judged),
        }
    )
    shown = asdict(figure)
    runs, limit_runs = shown.pop("runs"), shown.pop("limit_runs")
    rounded: dict[str, Any] = _rounded(shown | met | {"runs": runs, "limit_runs": limit_runs})
    return rounded


def _rounded(value: Any) -> Any:
    """Round floats to the significant digits."""
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
