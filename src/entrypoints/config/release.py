"""Which release this is, and of which commit."""

import os
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

NAME = "user-activity-events"
COMMIT_VARIABLE = "USER_EVENTS_COMMIT"
"""Set where the image is built, which holds no checkout."""
_UNKNOWN = "unknown"
_CHECKOUT = Path(__file__).parents[3]
_LIMIT_SECONDS = 2.0


def release() -> str:
    """Tell the version, as a release bears it."""
    return version(NAME)


@cache
def commit() -> str:
    """Tell the commit of the image, or of the checkout that this code is in, with `-dirty` where that was changed."""
    return os.environ.get(COMMIT_VARIABLE) or _commit_of_checkout() or _UNKNOWN


def _commit_of_checkout() -> str | None:
    # A worktree has a file in the place of the folder.
    if not (_CHECKOUT / ".git").exists():
        return None
    # No tag: its name would stand in the place of the commit's.
    command = ["git", "-C", str(_CHECKOUT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_LIMIT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip()
