"""Check that a file of results has every figure, with a plausible number: `python -m benchmarks.smoke PATH`."""

import json
import math
import sys
from pathlib import Path
from typing import Any

from benchmarks.targets import TARGETS

_DIFFERENCES = {"post_with_schema"}
"""After a short run they may be below zero."""


def main() -> None:
    """Check the given file."""
    figures = {(each["key"], each["variant"]): each for each in json.loads(Path(sys.argv[1]).read_text())["figures"]}
    places = [(key, variant) for key, variants in TARGETS.items() for variant in variants]
    troubles = [
        f"{key} {variant}: {trouble}" for key, variant in places if (trouble := _trouble(figures.get((key, variant))))
    ]
    sys.exit("\n".join(troubles) if troubles else 0)


def _trouble(figure: dict[str, Any] | None) -> str | None:
    if figure is None:
        return "there is no such figure"
    if "error" in figure:
        return str(figure["error"])
    if figure["key"] in _DIFFERENCES and math.isfinite(figure["value"]):
        return None
    numbers = [figure["value"], *(figure[name] for name in ("ratio", "limit") if figure[name] is not None)]
    if not all(math.isfinite(number) and number > 0 for number in numbers):
        return f"these are no plausible numbers: {numbers}"
    return None


if __name__ == "__main__":
    main()
