"""Which benchmark measures which figures, in the order in which they are run."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from benchmarks import batch_vs_send, consume_vs_copy, post_vs_asgi
from benchmarks.bench import Bench
from benchmarks.events import Size, Variant
from benchmarks.figures import Figure

_VARIANTS = (Variant("v7", "200"), Variant("v4", "200"), Variant("v7", "2k"))
_SIZES: tuple[Size, ...] = ("200", "2k")


class Step(NamedTuple):
    """What fails or succeeds as one."""

    key: str
    variants: tuple[str, ...]
    measure: Callable[[Bench], Awaitable[list[Figure]]]


PLAN: tuple[Step, ...] = (
    *(Step("consume_vs_copy", (str(each),), partial(consume_vs_copy.measure, variant=each)) for each in _VARIANTS),
    *(Step("post_vs_asgi", (size,), partial(post_vs_asgi.measure, size=size)) for size in _SIZES),
    *(Step("batch_vs_send", (size,), partial(batch_vs_send.measure, size=size)) for size in _SIZES),
)
