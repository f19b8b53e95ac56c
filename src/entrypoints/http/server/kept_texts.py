"""What heads and their lines say, which are mostly those of the heads before."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

MAX_KEPT_BYTES = 512
"""Longer ones differ mostly, and the memory is bounded."""
MAX_KEPT = 512

Said = TypeVar("Said")


def kept_if_short(read: Callable[[bytes], Said]) -> Callable[[bytes], Said]:
    """Remember what short ones say; what `read` raises is not remembered."""
    kept = lru_cache(MAX_KEPT)(read)

    @wraps(read)
    def remembered(text: bytes) -> Said:
        return kept(text) if len(text) <= MAX_KEPT_BYTES else read(text)

    return remembered
