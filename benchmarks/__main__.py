"""Measure the service beside physical limits, and beside plain code that does the same job: `make bench`.

    python -m benchmarks [--quick] [--only KEY...] [--runs N] [--events N] [--output PATH]

A real Apache Kafka and a real PostgreSQL are started on loopback for it, in a temporary folder. What is measured and
what it has to be is in `targets`; each benchmark is a module of its name. The service runs with its defaults of
production. A figure that has a limit is the median over runs that alternate with those of the limit, its ratio the
median of the pairs' ratios. The table goes to stdout, all of it with every run to the file of results, progress to
stderr. A benchmark that fails costs only its own figures, and exit code 1.
"""

import argparse
import asyncio
import sys
import tempfile
import traceback
from pathlib import Path

import uvloop

from benchmarks.bench import Bench, say
from benchmarks.counts import QUICK, Counts
from benchmarks.machine import describe
from benchmarks.plan import PLAN, Step
from benchmarks.results import Results
from benchmarks.servers import servers
from benchmarks.table import table
from benchmarks.targets import TARGETS

_RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Run the chosen benchmarks."""
    options = _options()
    counts = QUICK if options.quick else Counts()
    counts = counts.with_given(runs=options.runs, events=options.events)
    steps = [step for step in PLAN if step.key in (options.only or TARGETS)]
    say(f"Python {sys.version} at {sys.executable}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        all_went_well = runner.run(_run(steps, counts, options.output))
    sys.exit(not all_went_well)


async def _run(steps: list[Step], counts: Counts, output: Path) -> bool:
    """Run the steps; return whether all succeeded."""
    failed = False
    with tempfile.TemporaryDirectory(prefix="user-events-benchmarks-") as directory:
        folder = Path(directory)
        async with servers(folder) as started:
            bench = Bench(started, counts, folder)
            results = Results(output, await describe(started))
            for step in steps:
                say(f"{step.key}: {', '.join(step.variants)}")
                try:
                    results.take(await step.measure(bench))
                except Exception as error:  # noqa: BLE001 - whatever it is, it must cost no other figure
                    failed = True
                    say(traceback.format_exc())
                    results.take_error(step.key, step.variants, f"{type(error).__name__}: {error}")
    sys.stdout.write(f"{table(results.figures)}\n")
    return not failed


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure the service.")
    parser.add_argument("--quick", action="store_true", help="tiny counts: shows that each benchmark runs")
    parser.add_argument("--only", nargs="+", choices=TARGETS, metavar="KEY", help=", ".join(TARGETS))
    parser.add_argument("--runs", type=int, help="how often each pair of measurements is repeated")
    parser.add_argument("--events", type=int, help="records of a backlog")
    parser.add_argument("--output", type=Path, default=_RESULTS, help="the file of results, default %(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    main()
