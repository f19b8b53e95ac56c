"""The version and the commit of this program, and the command that starts it on this machine."""

import os
import shlex
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

from entrypoints.config.settings import Settings

COMMIT_VARIABLE = "USER_EVENTS_COMMIT"
"""Set when the image is built, which holds no checkout."""
_CHECKOUT = Path(__file__).parents[3]
_GIT_SECONDS = 2.0


def release() -> str:
    """Return the version of the installed distribution."""
    return version("user-activity-events")


@cache
def commit() -> str:
    """Return the commit of the image or of the checkout, with `-dirty` after local changes; else `unknown`."""
    return os.environ.get(COMMIT_VARIABLE) or _commit_of_checkout() or "unknown"


def command(data_dir: Path) -> str:
    """Return the command `user-events` as a person has to type it in the folder where this process was started."""
    script = Path(sys.executable).with_name("user-events")
    on_path = shutil.which("user-events")
    if on_path is not None and script.exists() and script.samefile(on_path):
        program = "user-events"
    elif script.exists():
        program = str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script)
    else:
        program = f"{sys.executable} -m entrypoints"
    is_default = data_dir == Settings.model_fields["data_dir"].default
    return program if is_default else f"DATA_DIR={shlex.quote(str(data_dir))} {program}"


def _commit_of_checkout() -> str | None:
    # In a worktree `.git` is a file.
    if not (_CHECKOUT / ".git").exists():
        return None
    # Without tags: `describe` would print a tag's name instead of the commit's.
    describe = ["git", "-C", str(_CHECKOUT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        described = subprocess.run(describe, capture_output=True, text=True, check=True, timeout=_GIT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()
