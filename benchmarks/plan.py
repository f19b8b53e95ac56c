"""Which benchmark measures which figures, in the order in which they are run."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from benchmarks import consume_vs_copy
from benchmarks.bench import Bench
from benchmarks.events import Variant
from benchmarks.figures import Figure

_VARIANTS = (Variant("v7", "200"), Variant("v4", "200"), Variant("v7", "2k"))


class Step(NamedTuple):
    """What fails or succeeds as one."""

    key: str
    variants: tuple[str, ...]
    measure: Callable[[Bench], Awaitable[list[Figure]]]


PLAN = tuple(
    Step("consume_vs_copy", (str(variant),), partial(consume_vs_copy.measure, variant=variant)) for variant in _VARIANTS
)
