"""Which files of a schema folder are read."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.schemas.files import folder as folder_module
from adapters.schemas.load import load_schemas
from tests.support.schema_folders import mistakes, write


def test_types_are_the_names_of_files(tmp_path: Path) -> None:
    """In their order; definitions are no types."""
    write(tmp_path, {"b.json": {}, "A.json": {}, "shop:order.created.json": True, "_x.json": {}, "defs/c.json": {}})
    assert list(load_schemas(tmp_path)) == ["A", "b", "shop:order.created"]


def test_config_map_of_kubernetes_is_read(tmp_path: Path) -> None:
    """Its files are links to a hidden folder beside them, which is a link, too."""
    write(tmp_path, {"..2026_11_30/A.json": {"type": "object"}})
    (tmp_path / "..data").symlink_to("..2026_11_30")
    (tmp_path / "A.json").symlink_to("..data/A.json")
    assert list(load_schemas(tmp_path)) == ["A"]


def test_documentation_beside_is_passed_over(tmp_path: Path) -> None:
    """So are hidden files."""
    assert mistakes(write(tmp_path, {"README.md": "# x", ".gitkeep": "", "A.json": {}})) == []


def test_links_that_leave_the_folder_are_refused(tmp_path: Path) -> None:
    """Of a file, of a folder, and one that leads to nothing."""
    write(tmp_path / "outside", {"A.json": {}})
    inside = write(tmp_path / "inside", {"ok.json": {}})
    (inside / "A.json").symlink_to("../outside/A.json")
    (inside / "defs").symlink_to(tmp_path / "outside")
    (inside / "gone.json").symlink_to("nothing.json")
    assert mistakes(inside) == [
        "A.json: must not be a link that leaves the folder",
        "defs: must be a file .json",
        "gone.json: must be a regular file",
    ]


def test_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    """It has no end."""
    os.mkfifo(tmp_path / "A.json")
    assert mistakes(tmp_path) == ["A.json: must be a regular file"]


def test_wrong_files_are_all_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name and reason."""
    monkeypatch.setattr(folder_module, "MAX_FILE_BYTES", 20)
    write(
        tmp_path,
        {
            "1st.json": {},
            "A.jsn": {},
            "B.json": " \n",
            "C.json": b'{"title":"\xff"}',
            "D.json": '{"type":',
            "E.json": "[1]",
            "F.json": " " * 21,
            "G.json": "NaN",
            "H.json": '{"a":' * 2_000,
            "I.json": b"\xef\xbb\xbf{}",
            "J.json": "{}".encode("utf-16"),
            "K.json": "{}".encode("utf-16-le"),
        },
    )
    found = dict(line.split(": ", 1) for line in mistakes(tmp_path))
    assert list(found) == [*("1st.json", "A.jsn"), *(f"{letter}.json" for letter in "BCDEFGHIJK")]
    assert found["1st.json"].startswith("must be named after an event type, which must begin with a letter")
    assert found["A.jsn"] == "must be a file .json"
    assert found["B.json"] == "must not be empty"
    assert found["C.json"] == "is not UTF-8"
    assert found["D.json"].startswith("is not JSON: Expecting value")
    assert found["E.json"] == "must be a schema: an object, true or false"
    assert found["F.json"] == found["H.json"] == "must have at most 20 bytes"
    assert found["G.json"] == "is not JSON: NaN is no number"
    assert found["I.json"] == "must not begin with a byte order mark"
    assert found["J.json"] == "is not UTF-8"
    assert found["K.json"].startswith("is not JSON: ")


def test_number_of_files_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Definitions count, too."""
    monkeypatch.setattr(folder_module, "MAX_FILES", 3)
    write(tmp_path, {f"t{index}.json": {} for index in range(5)})
    assert mistakes(tmp_path) == [f"{tmp_path}: must hold at most 3 files"]
    write(tmp_path, {f"t{index}.json": b"" for index in range(5)})
    assert len(mistakes(tmp_path)) == 4


def test_missing_folder_is_told(tmp_path: Path) -> None:
    """A file is none either."""
    assert mistakes(tmp_path / "nowhere") == [f"{tmp_path / 'nowhere'}: is not a folder"]


def test_empty_folder_has_no_types(tmp_path: Path) -> None:
    """It is a folder."""
    assert load_schemas(tmp_path) == {}


def test_folders_that_cannot_be_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside mistakes elsewhere; by the super-user all can be read, so the system's refusal is played."""
    write(tmp_path, {"closed/A.json": {}, "unsearchable/A.json": {}, "Z.json": {"type": "x"}})
    listed, stat = Path.iterdir, Path.stat

    def refusing(wanted: str, path: Path) -> None:
        if path.relative_to(tmp_path).as_posix() == wanted:
            raise PermissionError(errno.EACCES, "Permission denied")

    def iterdir(path: Path) -> Iterator[Path]:
        refusing("closed", path)
        return listed(path)

    def refusing_stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        refusing("unsearchable/A.json", path)
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    monkeypatch.setattr(Path, "stat", refusing_stat)
    assert [line.partition(": must")[0] for line in mistakes(tmp_path)] == [
        "Z.json#/type",
        "closed: cannot be read: Permission denied",
        "unsearchable/A.json: cannot be read: Permission denied",
    ]


def test_too_long_path_is_told() -> None:
    """Of the folder, as the system says it."""
    assert mistakes(Path("/" + "x" * 300)) == [f"/{'x' * 300}: cannot be read: File name too long"]


@pytest.mark.parametrize("name", [b"_\xff.json", b"\xff.json", b"\xff/a.json", b"_\xed\xa0\x80.json"])
def test_name_that_is_not_utf_8_is_told(tmp_path: Path, name: bytes) -> None:
    """In one line that prints."""
    path = tmp_path / os.fsdecode(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    (found,) = mistakes(tmp_path)
    assert found.endswith(": must have a name in UTF-8")
    assert found.isprintable()
