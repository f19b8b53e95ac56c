"""The results as a table for people."""

from collections.abc import Iterable, Mapping
from typing import Any

_ERROR_CHARS = 80
_LARGE = 1_000
"""Larger numbers have no decimals."""
_HEADER = ("key", "variant", "value", "unit", "limit", "ratio", "reach", "aim", "")


def table(figures: Iterable[Mapping[str, Any]]) -> str:
    """Render a line for each figure."""
    rows = [_HEADER, *(_row(figure) for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _row(figure: Mapping[str, Any]) -> tuple[str, ...]:
    if "error" in figure:
        return (figure["key"], figure["variant"], *6 * [""], f"failed: {figure['error'][:_ERROR_CHARS]}")
    numbers = ("limit", "ratio", "reach", "aim")
    return (
        figure["key"],
        figure["variant"],
        number(figure["value"]),
        figure["unit"],
        *(number(figure.get(name)) for name in numbers),
        _verdict(figure),
    )


def _verdict(figure: Mapping[str, Any]) -> str:
    if "reach" not in figure:
        return ""
    return "aim met" if figure["aimed"] else "reached" if figure["reached"] else "missed"


def number(value: float | None) -> str:
    """Render a number with three significant digits, whole from 1,000 on; nothing for None."""
    return "" if value is None else f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:.3g}"
