"""All figures, with their bounds and aims."""

from collections.abc import Mapping

from benchmarks.figures import Target

TARGETS: Mapping[str, Mapping[str, Target | None]] = {
    "consume_vs_copy": dict.fromkeys(("v7-200", "v4-200", "v7-2k"), Target(0.6, 0.85)),
    "consume_vs_naive": dict.fromkeys(("v7-200", "v4-200", "v7-2k"), Target(40, 60)),
    "consume_duplicates": {"one-percent": Target(0.35, 0.45), "all": Target(0.5, 0.7)},
    "post_vs_asgi": dict.fromkeys(("200", "2k"), Target(0.29, 0.5)),
    "post_with_schema": {"ten-members": Target(15, 8, "lower")},
    "batch_vs_send": dict.fromkeys(("200", "2k"), Target(0.6, 0.85)),
    "latency_ms": {
        "p50": Target(10, 5, "lower"),
        "p99": Target(50, 25, "lower"),
        "max": None,
        "p50-from-intended": None,
        "p99-from-intended": None,
        "max-from-intended": None,
    },
    "index": {"letters": Target(10_000, 15_000)},
    "replay": {"letters": Target(5_000, 10_000)},
    "growth": {
        "consume": Target(0.8, 0.95),
        **dict.fromkeys(("page-1", "page-1000", "by-user"), Target(10, 5, "lower")),
    },
    "memory_mb": dict.fromkeys(("consumer", "api"), Target(200, 120, "lower")),
    "scale": dict.fromkeys(("consumers", "apis")),
    "start_s": dict.fromkeys(("consumer", "api"), Target(2, 1, "lower")),
}
"""By key and variant; None for a figure without a bound."""
