"""Compile the hash-locked requirements from pyproject.toml, keeping the versions that still fit.

`--upgrade` takes the newest versions instead; `--check` writes nothing and fails if the files are out of date.
"""

import difflib
import subprocess
import sys
import tempfile
from pathlib import Path

_FOLDER = Path("requirements")
_FILES = {
    "runtime.txt": (),
    "local.txt": ("--extra", "embedded"),
    "dev.txt": ("--extra", "embedded", "--group", "dev"),
}


def _compile(target: Path, selection: tuple[str, ...], *, upgrade: bool) -> None:
    # Universal: one file serves every platform and every Python from 3.11 on.
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "compile", "pyproject.toml", _FOLDER / "build.in", *selection, "--output-file", target]
    options = ["--quiet", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header"]
    options += ["--upgrade"] if upgrade else []
    subprocess.run([*map(str, command), *options], check=True)


def _check() -> int:
    status = 0
    for name, selection in _FILES.items():
        standing = (_FOLDER / name).read_text()
        with tempfile.TemporaryDirectory() as folder:
            fresh = Path(folder) / name
            fresh.write_text(standing)
            _compile(fresh, selection, upgrade=False)
            difference = list(
                difflib.unified_diff(standing.splitlines(), fresh.read_text().splitlines(), name, "pyproject.toml")
            )
        if difference:
            print("\n".join(difference), "\nrun: make lock", file=sys.stderr)
            status = 1
    return status


def main(arguments: list[str]) -> int:
    """Write or check the files; return exit code 1 if one is out of date."""
    if "--check" in arguments:
        return _check()
    for name, selection in _FILES.items():
        _compile(_FOLDER / name, selection, upgrade="--upgrade" in arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
