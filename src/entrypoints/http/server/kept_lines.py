"""What the lines of heads say, which are mostly those of the head before."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

MAX_KEPT_BYTES = 128
"""Of a line: longer ones differ mostly, and the memory is bounded."""
MAX_KEPT_LINES = 512

Said = TypeVar("Said")


def kept_if_short(read: Callable[[bytes], Said]) -> Callable[[bytes], Said]:
    """Remember what short lines say; what `read` raises is not remembered."""
    kept = lru_cache(MAX_KEPT_LINES)(read)

    @wraps(read)
    def remembered(line: bytes) -> Said:
        return kept(line) if len(line) <= MAX_KEPT_BYTES else read(line)

    return remembered
