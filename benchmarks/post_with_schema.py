"""`POST /events/generate` for a type with a schema of ten properties, beside the same requests without it."""

import json
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench
from benchmarks.events import MEMBERS_SCHEMA, Size
from benchmarks.figures import Figure, Run
from benchmarks.publishing import new_topic, publish
from benchmarks.service import environment, running
from domain.event_types import LEGACY_TYPES

VARIANT: Size = "ten-members"


async def measure(bench: Bench) -> list[Figure]:
    """Measure the processor time that a schema takes an event, by two processes in turn."""
    topic = await new_topic(bench)
    async with bench.servers.database() as database:
        settings = environment(bench.servers.kafka.bootstrap, topic, database)
        schemas = str(_schemas(bench.folder / "schemas"))
        async with (
            running("api", bench.folder, settings) as plain,
            running("api", bench.folder, settings | {"EVENT_SCHEMAS": schemas}) as checking,
        ):
            await plain.ready()
            await checking.ready()
            if bench.counts.warm_up:
                await publish(bench, [plain], "single", VARIANT, topic)
                await publish(bench, [checking], "single", VARIANT, topic)
            without: list[Run] = []
            within: list[Run] = []
            for _ in range(bench.counts.runs):
                without.append(await publish(bench, [plain], "single", VARIANT, topic))
                within.append(await publish(bench, [checking], "single", VARIANT, topic))
    pairs = zip(within, without, strict=True)
    more = median(_microseconds(run) - _microseconds(beside) for run, beside in pairs)
    limit = median(map(_microseconds, without))
    return [
        Figure("post_with_schema", VARIANT, more, "µs more", limit=limit, runs=tuple(within), limit_runs=tuple(without))
    ]


def _microseconds(run: Run) -> float:
    return run.also["api_cpu_us_an_event"]


def _schemas(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name in LEGACY_TYPES.names:
        (folder / f"{name}.json").write_text(json.dumps(MEMBERS_SCHEMA))
    return folder
