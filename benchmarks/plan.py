"""The benchmarks with their figures, in the order in which they run."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from benchmarks import (
    batch_vs_send,
    consume_duplicates,
    consume_vs_copy,
    consume_vs_naive,
    dead_letters,
    growth,
    latency_ms,
    memory_mb,
    post_vs_asgi,
    post_with_schema,
    scale,
    start_s,
)
from benchmarks.bench import Bench
from benchmarks.events import Size, Variant
from benchmarks.figures import Figure
from benchmarks.service import Kind
from benchmarks.targets import TARGETS

_VARIANTS = (Variant("v7", "200"), Variant("v4", "200"), Variant("v7", "2k"))
_SIZES: tuple[Size, ...] = ("200", "2k")
_KINDS: tuple[Kind, ...] = ("consumer", "api")


class Step(NamedTuple):
    """A part of the run that fails or succeeds as a whole."""

    key: str
    variants: tuple[str, ...]
    measure: Callable[[Bench], Awaitable[list[Figure]]]


PLAN: tuple[Step, ...] = (
    *(Step("consume_vs_copy", (str(each),), partial(consume_vs_copy.measure, variant=each)) for each in _VARIANTS),
    *(Step("consume_vs_naive", (str(each),), partial(consume_vs_naive.measure, variant=each)) for each in _VARIANTS),
    Step("consume_duplicates", ("one-percent",), consume_duplicates.one_percent),
    Step("consume_duplicates", ("all",), consume_duplicates.all_again),
    *(Step("post_vs_asgi", (size,), partial(post_vs_asgi.measure, size=size)) for size in _SIZES),
    Step("post_with_schema", (post_with_schema.VARIANT,), post_with_schema.measure),
    *(Step("batch_vs_send", (size,), partial(batch_vs_send.measure, size=size)) for size in _SIZES),
    Step("latency_ms", tuple(TARGETS["latency_ms"]), latency_ms.measure),
    Step("index", ("letters",), dead_letters.index),
    Step("replay", ("letters",), dead_letters.replay),
    Step("scale", ("consumers",), scale.consumers),
    Step("scale", ("apis",), scale.apis),
    *(Step("start_s", (kind,), partial(start_s.measure, kind=kind)) for kind in _KINDS),
    Step("growth", ("page-1", "page-1000", "by-user"), growth.pages),
    Step("growth", ("consume",), growth.consumption),
    # Last, since it reads the peaks of the others.
    *(Step("memory_mb", (kind,), partial(memory_mb.measure, kind=kind)) for kind in _KINDS),
)
