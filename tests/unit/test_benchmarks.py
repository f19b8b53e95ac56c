"""What the benchmarks' figures rest on: the events, the reading of logs, the judgement and the file of results."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import mean

import pytest

from benchmarks.event_lines import EventLines, Span, span, stored_moments
from benchmarks.events import COPY_EVERY, MEMBERS_SCHEMA, Size, Variant, events, payloads, with_copies
from benchmarks.figures import Figure, Run, compared
from benchmarks.percentiles import percentile
from benchmarks.plan import PLAN
from benchmarks.results import Results
from benchmarks.table import table
from benchmarks.targets import TARGETS
from tests.support.events import RULES
from tests.support.schema_folders import compiled

_BEGIN = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size", "least", "most"), [("200", 180, 220), ("2k", 1_900, 2_200), ("ten-members", 230, 280)]
)
def test_payloads_are_json_objects_of_the_size_they_are_named_after(size: Size, least: int, most: int) -> None:
    """They differ from each other."""
    made = list(islice(payloads(size), 200))

    assert least < mean(len(each) for each in made) < most
    assert all(isinstance(json.loads(each), dict) for each in made)
    assert len(set(made)) == len(made)


def test_payloads_of_ten_members_obey_the_schema(tmp_path: Path) -> None:
    """It has a property for each of them."""
    schema = compiled(tmp_path, MEMBERS_SCHEMA)
    for payload in islice(payloads("ten-members"), 200):
        assert len(json.loads(payload)) == len(MEMBERS_SCHEMA["properties"]) == 10
        assert not schema.violations(payload)


def test_events_are_storable_and_all_different() -> None:
    """The domain's own validation has nothing against them."""
    made = list(events(Variant("v7", "200"), 500))

    assert [RULES.validate(e.id, e.user_id, e.event_type, e.occurred_at, e.payload) for e in made] == made
    assert len({event.id for event in made}) == len(made)


def test_every_hundredth_event_is_a_copy_of_an_earlier_one() -> None:
    """So that it is known how many are distinct."""
    made = list(with_copies(events(Variant("v7", "200"), 1_000), 1_000))

    assert len(made) == 1_000
    assert len({event.id for event in made}) == 1_000 - 1_000 // COPY_EVERY
    assert max(Counter(event.id for event in made).values()) > 1


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":")])
def test_the_first_batch_is_told_from_those_behind_it(tmp_path: Path, separators: tuple[str, str]) -> None:
    """Lines of a batch may share a moment, or follow each other closely."""
    log = tmp_path / "log"
    batches = [0, 0, 0, 0.1, 0.10004, 0.3]
    log.write_text("".join(_line(number, at, separators) for number, at in enumerate(batches)))

    found = span(log)

    assert found == Span(3, _BEGIN.timestamp(), (_BEGIN + timedelta(seconds=0.3)).timestamp())
    assert [event_id for event_id, _moment in stored_moments(log)] == [str(number) for number in range(6)]


def test_a_line_that_is_written_by_halves_is_counted_once(tmp_path: Path) -> None:
    """The log is read while it grows."""
    log = tmp_path / "log"
    line = _line(1, 0, (",", ":"))
    log.write_text(line + line[:40])
    lines = EventLines(log)

    assert lines.look() == 1
    with log.open("a") as file:
        file.write(line[40:])
    assert lines.look() == 2


async def test_the_ratio_is_the_median_of_the_pairs() -> None:
    """What changes on the machine between the pairs leaves it alone."""
    limits, ours = iter([100.0, 10.0, 200.0]), iter([50.0, 5.0, 120.0])

    async def limit() -> Run:
        return Run(next(limits))

    async def own() -> Run:
        return Run(next(ours))

    figure = await compared("growth", "consume", "events/s", pairs=3, limit=limit, ours=own)

    assert (figure.value, figure.limit, figure.ratio) == (50.0, 100.0, 0.5)


def test_results_keep_what_was_not_measured_again(tmp_path: Path) -> None:
    """A run of one benchmark leaves the figures of the others in the file."""
    path = tmp_path / "results.json"
    Results(path, {"cores": 2}).take([Figure("start_s", "api", 0.8, "s"), Figure("start_s", "consumer", 3.0, "s")])

    results = Results(path, {"cores": 4})
    results.take([Figure("start_s", "api", 1.5, "s")])
    results.take_error("scale", ["apis"], "RuntimeError: no")

    kept = json.loads(path.read_text())
    assert kept["cores"] == 4
    assert {(each["key"], each["variant"]): each.get("value") for each in kept["figures"]} == {
        ("start_s", "consumer"): 3.0,
        ("start_s", "api"): 1.5,
        ("scale", "apis"): None,
    }
    verdicts = [(each.get("reached"), each.get("aimed")) for each in results.figures]
    assert sorted(verdicts, key=str) == [(False, False), (None, None), (True, False)]
    assert "RuntimeError: no" in table(results.figures)


def test_every_figure_of_the_table_is_planned() -> None:
    """And nothing else."""
    planned = [(step.key, variant) for step in PLAN for variant in step.variants]

    assert Counter(planned) == Counter((key, variant) for key, variants in TARGETS.items() for variant in variants)


def test_a_percentile_has_its_part_of_the_values_below_it() -> None:
    """Of a hundred and one numbers it is the number itself."""
    assert percentile(range(101), 99) == 99


def _line(number: int, after: float, separators: tuple[str, str]) -> str:
    moment = (_BEGIN + timedelta(seconds=after)).isoformat().replace("+00:00", "Z")
    fields = {"eventId": str(number), "event": "event stored", "timestamp": moment}
    return json.dumps(fields, separators=separators) + "\n"
