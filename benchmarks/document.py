"""Write the tables of docs/performance.md and docs/scaling.md from the file of results.

    python -m benchmarks.document [--check]

`--check` writes nothing and fails with the difference where a document is out of date.
"""

import difflib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.figures import Target
from benchmarks.table import number
from benchmarks.targets import TARGETS

_RESULTS: Final = Path("benchmarks", "results.json")
_DOCUMENTS: Final = (Path("docs", "performance.md"), Path("docs", "scaling.md"))
_BLOCK: Final = re.compile(r"(<!-- generated: (?P<name>[\w-]+) .*?-->\n).*?(<!-- end -->)", re.DOTALL)
_MICROSECONDS: Final = 1_000_000
_PLANNED: Final = 0.5
"""Processes are planned at this part of their measured rate."""
_RATIO_TO: Final = {"scale": "one", "growth": "the rate into an empty table"}
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_RATES: Final = (10_000, 100_000, 1_000_000)

_VALUES: Final = (
    ("one consumer, 200 B, ids made by the service (v7)", "consume_vs_copy", "v7-200"),
    ("the same, ids made by another producer (v4)", "consume_vs_copy", "v4-200"),
    ("the same, 2 KB", "consume_vs_copy", "v7-2k"),
    ("two consumers", "scale", "consumers"),
    ("one consumer, table of 20 M rows", "growth", "consume"),
    ("one api process, one event a request", "post_vs_asgi", "200"),
    ("two api processes", "scale", "apis"),
    ("one api process, batches of 500", "batch_vs_send", "200"),
    ("the same, 2 KB", "batch_vs_send", "2k"),
    ("accepted → stored at 1,000 events/s, median", "latency_ms", "p50"),
    ("the same, 99th percentile", "latency_ms", "p99"),
)
_PROCESSES: Final = (
    ("api processes (cores), one event a request", "post_vs_asgi", "200"),
    ("api processes (cores), batches of 500", "batch_vs_send", "200"),
    ("consumers (cores)", "consume_vs_copy", "v7-200"),
)


class Document:
    """The generated parts, by name."""

    def __init__(self, results: Mapping[str, Any]) -> None:
        """Take a file of results, as `benchmarks.results` writes it; ValueError unless all are of one commit."""
        self._results = results
        self._figures = {(each["key"], each["variant"]): each for each in results["figures"]}
        commits = sorted({each["commit"] for each in results["figures"]})
        if len(commits) != 1:
            raise ValueError(f"the figures are of several commits, {', '.join(commits)}: run all of `make bench`")
        self._commit = commits[0]
        self._parts: Mapping[str, Callable[[], Iterator[str]]] = {
            "figures": self._all_figures,
            "one-machine": self._one_machine,
            "processes": self._processes,
        }

    def fill(self, text: str) -> str:
        """Render the generated blocks of a document anew; KeyError where one has an unknown name."""
        return _BLOCK.sub(lambda block: "\n".join([block[1], *self._parts[block["name"]](), "", block[3]]), text)

    def _all_figures(self) -> Iterator[str]:
        yield "| figure | variant | value | limit | ratio | at least | aim |\n|---|---|---|---|---|---|---|"
        for key, variants in TARGETS.items():
            for variant, target in variants.items():
                figure = self._figures.get((key, variant))
                if figure is None:
                    yield f"| `{key}` | `{variant}` | not measured yet | | | | |"
                    continue
                cells = (
                    f"`{key}`",
                    f"`{variant}`",
                    f"{number(figure['value'])} {figure['unit']}",
                    number(figure["limit"]),
                    number(figure["ratio"]),
                    *_judged(figure, target),
                )
                yield f"| {' | '.join(cells)} |"
        yield f"\n{self._machine()}"

    def _machine(self) -> str:
        of, versions = self._results, self._results["versions"]
        return (
            f"Measured on {of['date'][:10]} at commit `{self._commit}`: {of['cores']} cores ({of['cpu']}), "
            f"{of['memory_gib']:.0f} GiB, Python {versions['python'].split()[0]}, Kafka {versions['kafka']}, "
            f"PostgreSQL {versions['postgresql']}; medians of {len(self._runs('consume_vs_copy', 'v7-200'))} runs."
        )

    def _one_machine(self) -> Iterator[str]:
        yield "| what | figure | from |\n|---|---|---|"
        for what, key, variant in _VALUES:
            figure = self._figures[key, variant]
            ratio = f", {figure['ratio']:.2f} {_TIMES} {_RATIO_TO[key]}" if key in _RATIO_TO else ""
            yield f"| {what} | {number(figure['value'])} {figure['unit']}{ratio} | `{key}` `{variant}` |"
        for what, micros, key in (
            ("processor time of the api an event, one a request", self._api_micros("post_vs_asgi"), "post_vs_asgi"),
            ("the same, in batches of 500", self._api_micros("batch_vs_send"), "batch_vs_send"),
            ("processor time of the consumer an event", self._consume_micros("consumer"), "consume_vs_copy"),
            ("processor time of the database an event", self._consume_micros("database"), "consume_vs_copy"),
        ):
            yield f"| {what} | {number(micros)} µs | the runs of `{key}`, 200 B |"
        yield f"\n{self._machine()}"

    def _processes(self) -> Iterator[str]:
        yield "| | formula | 10 k/s | 100 k/s | 1 M/s |\n|---|---|---|---|---|"
        for what, key, variant in _PROCESSES:
            rate_of_one = self._figures[key, variant]["value"]
            counts = (f"{ceil(rate / (_PLANNED * rate_of_one))}" for rate in _RATES)
            yield f"| {what} | rate ÷ (½ {_TIMES} {number(rate_of_one)}) | {' | '.join(counts)} |"
        micros = self._consume_micros("database")
        cores = (f"{rate * micros / _MICROSECONDS:.1f}" for rate in _RATES)
        yield f"| PostgreSQL, cores busy with writing | rate {_TIMES} {number(micros)} µs | {' | '.join(cores)} |"

    def _runs(self, key: str, variant: str) -> Sequence[Mapping[str, Any]]:
        runs: Sequence[Mapping[str, Any]] = self._figures[key, variant]["runs"]
        return runs

    def _api_micros(self, key: str) -> float:
        return float(median(run["also"]["api_cpu_us_an_event"] for run in self._runs(key, "200")))

    def _consume_micros(self, who: str) -> float:
        seconds = (
            run["cpu_seconds"][who] / (run["value"] * run["also"]["cpu_counted_for_s"])
            for run in self._runs("consume_vs_copy", "v7-200")
        )
        return float(median(seconds)) * _MICROSECONDS


def _judged(figure: Mapping[str, Any], target: Target | None) -> tuple[str, str]:
    """Render the bound with its verdict, and the aim."""
    if target is None:
        return "", ""
    is_ratio = figure["ratio"] is not None
    unit = "" if is_ratio else f" {figure['unit']}"
    met = target.met(target.reach, figure["ratio"] if is_ratio else figure["value"])
    sign = "≤" if target.better == "lower" else "≥"
    return f"{sign} {target.reach:g}{unit} {'✓' if met else '✗'}", f"{target.aim:g}"


def main(arguments: list[str]) -> int:
    """Write or check the documents; return exit code 1 if one is out of date."""
    document = Document(json.loads(_RESULTS.read_text()))
    status = 0
    for path in _DOCUMENTS:
        text = path.read_text()
        fresh = document.fill(text)
        if "--check" not in arguments:
            path.write_text(fresh)
        elif fresh != text:
            lines = text.splitlines(), fresh.splitlines()
            difference = difflib.unified_diff(*lines, str(path), str(_RESULTS), lineterm="")
            sys.stderr.write("\n".join(difference) + "\nrun: make docs\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
