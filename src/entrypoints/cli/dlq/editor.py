"""Has a person edit a text in the editor that the environment names."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from entrypoints.config.errors import CannotRun

_DEFAULT = "vi"


def edit_text(value: bytes, suffix: str) -> bytes:
    """Open `$VISUAL`, `$EDITOR` or vi on a file that only this user can read; return what is in it in the end.

    Raises `CannotRun` where the editor cannot be run or fails.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or _DEFAULT
    with tempfile.TemporaryDirectory(prefix="user-events-") as folder:
        file = Path(folder) / f"value{suffix}"
        file.write_bytes(value)
        try:
            subprocess.run([*shlex.split(command), str(file)], check=True)
            return file.read_bytes()
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise CannotRun(f"the editor {command} (VISUAL or EDITOR) failed: {error}") from error
