"""Reads the files of a schema folder, and no file outside of it.

A file `TYPE.json` in the folder itself is the schema of the event type TYPE. Files whose names begin with `_`, and
files in subfolders, hold definitions that other files refer to. Names that begin with a dot are passed over; with links
that stay within the folder this is what Kubernetes mounts for a ConfigMap. So are Markdown files. Anything else is a
mistake, since a schema with a misspelt name would check nothing.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from domain.event_types import EventType, event_type
from domain.payload_schema import cut, one_line

MAX_FILES = 1_000
MAX_FILE_BYTES = 1024 * 1024
_SUFFIX = ".json"
_PASSED_OVER = ".md"
_DEFINITIONS = "_"
_MAX_CHARS = 1_000
"""Of a line about a mistake, which may quote a whole file."""


class SchemaProblem(NamedTuple):
    """One mistake in a schema folder; `pointer` is the JSON pointer of its place in `file`, empty for all of it."""

    file: str
    pointer: str
    reason: str

    def __str__(self) -> str:
        """Return one line."""
        place = f"{self.file}#{self.pointer}" if self.pointer else self.file
        return cut(one_line(f"{place}: {self.reason}"), _MAX_CHARS)


class SchemaFile(NamedTuple):
    """A file's text; `name` is its path within the folder, with slashes; `type` is None for definitions."""

    name: str
    type: EventType | None
    text: bytes


def read_folder(folder: Path) -> tuple[Sequence[SchemaFile], Sequence[SchemaProblem]]:
    """Read all files in the order of their names, and find what is wrong with them as files."""
    root = Path(os.path.realpath(folder))
    files: list[SchemaFile] = []
    problems: list[SchemaProblem] = []
    for path, reason in _entries(root):
        name = str(folder) if path == root else path.relative_to(root).as_posix()
        if len(files) + len(problems) >= MAX_FILES:
            problems.append(SchemaProblem(str(folder), "", f"must hold at most {MAX_FILES} files"))
            break
        if reason is not None:
            problems.append(SchemaProblem(name, "", reason))
            continue
        try:
            files.append(SchemaFile(name, _type_of(name), _text(path, root)))
        except ValueError as error:
            problems.append(SchemaProblem(name, "", str(error)))
        except OSError as error:
            problems.append(SchemaProblem(name, "", _unreadable(error)))
    return files, problems


def _entries(root: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield the files in the order of their paths, and folders that cannot be read, with the reason."""
    waiting = [root]
    while waiting:
        path = waiting.pop()
        try:
            # A link to a folder is no way into a loop: it is read as a file, which it is not.
            if path.is_dir() and not path.is_symlink():
                waiting += sorted(filter(_is_read, path.iterdir()), reverse=True)
            else:
                yield path, ("is not a folder" if path == root else None)
        except OSError as error:
            yield path, _unreadable(error)


def _is_read(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix != _PASSED_OVER


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"


def _type_of(name: str) -> EventType | None:
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise ValueError("must have a name in UTF-8")
    if not name.endswith(_SUFFIX):
        raise ValueError(f"must be a file {_SUFFIX}")
    if "/" in name or name.startswith(_DEFINITIONS):
        return None
    try:
        return event_type(name.removesuffix(_SUFFIX))
    except ValueError as error:
        raise ValueError(f"must be named after an event type, which {error}") from None


def _text(path: Path, root: Path) -> bytes:
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(root):
        raise ValueError("must not be a link that leaves the folder")
    if not target.is_file():
        # Another kind might never end, as a pipe.
        raise ValueError("must be a regular file")
    with target.open("rb") as file:
        text = file.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        raise ValueError(f"must have at most {MAX_FILE_BYTES} bytes")
    if not text.strip():
        raise ValueError("must not be empty")
    return text
