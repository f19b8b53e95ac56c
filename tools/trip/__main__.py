"""List the functions of src/ that one event passes, from its `POST` to the response to its `GET`.

    python -m tools.trip [--count | --write]

Api and consumer run as the container wires them, in one process. The log and the table are in memory; their functions
do not count. Several events make the trip one after the other, and a function counts if it was called for each of them,
so that work by the clock is left out. Prints the list, with `--count` only the number of functions; `--write` puts the
list into docs/architecture.md.
"""

import asyncio
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

from entrypoints.processes.logs import configure_logging
from tools.trip.world import World

_ROOT: Final = Path(__file__).parents[2]
_SOURCES: Final = f"{_ROOT / 'src'}/"
_STAND_INS: Final = f"{_SOURCES}adapters/memory/"
_DOCUMENT: Final = _ROOT / "docs" / "architecture.md"
_BLOCK: Final = re.compile(r"(<!-- generated: trip .*?-->\n).*?(<!-- end -->)", re.DOTALL)
_EVENTS: Final = 4
_END_SECONDS: Final = 30.0
_STAGES: Final = (
    "From `POST /events/generate` to the record",
    "From the record to the row",
    "From `GET /events/{id}` to the response",
)

Functions = Mapping[CodeType, None]
"""In the order in which they were first called."""


@contextmanager
def _recorded(runs: list[Functions]) -> Iterator[None]:
    called: dict[CodeType, None] = {}
    runs.append(called)

    def note(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        path = code.co_filename
        # Lambdas and comprehensions belong to the function around them.
        if (
            event == "call"
            and path.startswith(_SOURCES)
            and not path.startswith(_STAND_INS)
            and "<" not in code.co_name
        ):
            called.setdefault(code)

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


async def _trip() -> Mapping[str, Sequence[CodeType]]:
    """Return the functions by stage; each is in the first stage that calls it."""
    world, ids = World(), []
    posts: list[Functions] = []
    rows: list[Functions] = []
    gets: list[Functions] = []
    async with asyncio.timeout(_END_SECONDS), world.api():
        for number in range(_EVENTS):
            with _recorded(posts):
                ids.append(await world.publish(number))
        async with world.consumer():
            for number in range(_EVENTS):
                with _recorded(rows):
                    await world.consume(number)
        for number, event_id in enumerate(ids):
            with _recorded(gets):
                await world.read(number, event_id)
    passed: set[CodeType] = set()
    stages: dict[str, Sequence[CodeType]] = {}
    for stage, runs in zip(_STAGES, (posts, rows, gets), strict=True):
        always = [each for each in runs[-1] if all(each in run for run in runs)]
        stages[stage] = [each for each in always if each not in passed]
        passed.update(always)
    return stages


def _render(stages: Mapping[str, Sequence[CodeType]]) -> Iterator[str]:
    """Render a table a stage, a row for each file that is entered."""
    yield f"{sum(map(len, stages.values()))} functions; each is listed at its first call.\n"
    for stage, functions in stages.items():
        yield f"**{stage}**: {len(functions)}\n\n| file | functions |\n|---|---|"
        for file, calls in groupby(functions, lambda code: code.co_filename.removeprefix(_SOURCES)):
            yield f"| `src/{file}` | {', '.join(f'`{code.co_qualname}`' for code in calls)} |"
        yield ""


def main(arguments: Sequence[str]) -> int:
    """Do as the module's first lines say."""
    with Path(os.devnull).open("w") as nowhere:
        configure_logging("info", "json", nowhere)
        stages = asyncio.run(_trip())
    if "--count" in arguments:
        print(sum(map(len, stages.values())))
    elif "--write" in arguments:
        listed = "\n".join(_render(stages))
        _DOCUMENT.write_text(_BLOCK.sub(lambda block: f"{block[1]}\n{listed}\n{block[2]}", _DOCUMENT.read_text()))
    else:
        print("\n".join(_render(stages)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
