"""A cache of what was read of heads: those of one client are mostly alike, line by line or as a whole."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

MAX_KEPT_BYTES = 512
"""Of a text; longer ones differ mostly."""
MAX_KEPT = 512
"""Of each kind; what hostile heads of many fields leave here takes some 4 MB in all."""

Reading = TypeVar("Reading")


def kept_if_short(read: Callable[[bytes], Reading]) -> Callable[[bytes], Reading]:
    """Remember what short texts say. It is shared: nobody may change it. What `read` raises is not remembered."""
    kept = lru_cache(MAX_KEPT)(read)

    @wraps(read)
    def remembered(text: bytes) -> Reading:
        return kept(text) if len(text) <= MAX_KEPT_BYTES else read(text)

    return remembered
