"""Violations that a schema accepts are counted in few lines."""

from collections.abc import Iterator, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.observability.accepted_violations import AcceptedViolations, counted_violations
from domain.payload_schema import Violation
from tests.support.schemas import ORDER, PRICE
from tests.support.waiting import eventually

MESSAGE = "payloads break their schema and are accepted"
Lines = Sequence[MutableMapping[str, Any]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The lines that are logged."""
    with capture_logs() as captured:
        yield captured


@pytest.fixture
def counts() -> Iterator[AcceptedViolations]:
    """Counts that are told at first and in the end only."""
    made = AcceptedViolations(interval=3_600, max_kinds=3)
    yield made
    made.close()


def a_line(**fields: object) -> dict[str, object]:
    """Make a line about the price of an order."""
    about = {"eventType": "ORDER_PLACED", "keyword": "minimum", "pointer": "/price"}
    return {"event": MESSAGE, "log_level": "warning", **about, **fields}


def test_first_violation_is_told_at_once(counts: AcceptedViolations, lines: Lines) -> None:
    """Later ones together, with their number of events; nothing is lost in the end."""
    for _ in range(5):
        counts(ORDER, [PRICE])
    assert lines == [a_line(events=1)]
    counts.close()
    assert lines == [a_line(events=1), a_line(events=4)]
    counts.close()
    assert len(lines) == 2


async def test_later_ones_are_told_after_a_while(lines: Lines) -> None:
    """Also if no more come."""
    counts = AcceptedViolations(interval=0.01)
    counts(ORDER, [PRICE])
    counts(ORDER, [PRICE])

    async def both_are_told() -> bool:
        return [line["events"] for line in lines] == [1, 1]

    await eventually(both_are_told, "two events told")
    counts.close()


def test_items_of_an_array_are_of_one_kind(counts: AcceptedViolations, lines: Lines) -> None:
    """An event counts once for each kind."""
    counts(ORDER, [Violation(f"/items/{index}/sku", "type", "must be a string", "/items/*/sku") for index in range(20)])
    assert lines == [a_line(keyword="type", pointer="/items/*/sku", events=1)]


def test_number_of_kinds_is_bounded(counts: AcceptedViolations, lines: Lines) -> None:
    """Clients choose names of members."""
    counts(ORDER, [PRICE])
    for index in range(100):
        counts(ORDER, [Violation(f"/n{index}", "additionalProperties", "must be absent", f"/n{index}")])
    counts.close()
    told = sorted((str(line.get("pointer")), line["events"]) for line in lines)
    assert told == [("/n0", 1), ("/n1", 1), ("/n2", 1), ("/price", 1), ("None", 97)]


def test_event_counts_once_among_all_others(counts: AcceptedViolations, lines: Lines) -> None:
    """However many violations it has."""
    counts(
        ORDER, [Violation(f"/n{index}", "additionalProperties", "must be absent", f"/n{index}") for index in range(20)]
    )
    assert [line["events"] for line in lines] == [1, 1, 1, 1]
    assert [line["kinds"] for line in lines if "kinds" in line] == ["all others"]


def test_threads_may_count_at_the_same_time(counts: AcceptedViolations, lines: Lines) -> None:
    """No event is lost."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: counts(ORDER, [PRICE]), range(2_000)))
    counts.close()
    assert sum(line["events"] for line in lines) == 2_000


def test_last_counts_of_a_process_are_told_at_its_end(lines: Lines) -> None:
    """They are not yet due."""
    with counted_violations() as counts:
        counts(ORDER, [PRICE])
        counts(ORDER, [PRICE])
    assert [line["events"] for line in lines] == [1, 1]
