"""What people see on a terminal. Text of dead letters is hostile: nothing of it reaches the terminal unescaped."""

import os
import sys
from collections.abc import Collection, Iterable
from datetime import datetime

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from domain.payload_schema import one_line

NOTHING = "-"
_WIDTH_OF_FILES = 240
"""Columns of a table that is written to a file or a pipe."""
_MAX_CELL_CHARS = 400


def console(*, err: bool = False) -> Console:
    """Make a console for stdout or stderr that takes text as it is. `NO_COLOR` and `COLUMNS` are respected."""
    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else _WIDTH_OF_FILES
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def clean(text: object, limit: int | None = None) -> str:
    """Render a value in one line that any terminal can show, cut after `limit` characters."""
    if text is None or text == "":
        return NOTHING
    line = str(text)
    if limit is not None and len(line) > limit:
        line = f"{line[: limit - 1]}…"
    encoding = sys.stdout.encoding or "ascii"
    return one_line(line).encode(encoding, "backslashreplace").decode(encoding)


def moment(time: datetime | None) -> str:
    """Render a time in UTC to the second."""
    return NOTHING if time is None else f"{time:%Y-%m-%d %H:%M:%S}Z"


def counted(count: int, noun: str) -> str:
    """Render a number with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def age(since: datetime, now: datetime) -> str:
    """Render how long something is ago in its largest unit: 12s, 5m, 3h, 4d."""
    seconds = max(0, round((now - since).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def table(*columns: str, numbers: Collection[str] = (), folded: Collection[str] = ()) -> Table:
    """Make a table as wide as the terminal: the last column takes the rest, cells are cut or `folded`."""
    made = Table(box=None, pad_edge=False, expand=True, header_style="bold", padding=(0, 2, 0, 0))
    for number, name in enumerate(columns, start=1):
        made.add_column(
            name,
            justify="right" if name in numbers else "left",
            no_wrap=name not in folded,
            overflow="fold" if name in folded else "ellipsis",
            ratio=1 if number == len(columns) else None,
        )
    return made


def heading(text: str) -> Text:
    """Make the heading of a part."""
    return Text(text, style="bold", overflow="fold")


def pairs(rows: Iterable[tuple[str, object]]) -> Table:
    """Make a table of names and values; long values are folded."""
    made = table("NAME", "VALUE", folded=("NAME", "VALUE"))
    made.show_header = False
    for name, value in rows:
        made.add_row(f"  {clean(name)}", clean(value))
    return made


def cells(*values: object) -> list[str]:
    """Render the cells of a row."""
    return [f"{value:,}" if isinstance(value, int) else clean(value, _MAX_CELL_CHARS) for value in values]


def print_all(*parts: RenderableType) -> None:
    """Print tables and texts to stdout, without the blanks that fill lines up."""
    screen = console()
    with screen.capture() as captured:
        screen.print(*parts, sep="\n")
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())
