"""Each request on a connection is answered once and in order, or the connection closes, however TCP splits it."""

from collections.abc import AsyncIterator

import pytest

from entrypoints.http.app import health_app
from tests.integration.http_corpus import CORPUS
from tests.integration.http_corpus.case import Case, End
from tests.integration.http_corpus.judge import PROBE, Outcome, judge
from tests.integration.http_corpus.ways import Port
from tests.support.api import Api
from tests.support.memory_connection import served_in_memory

_CUTS = 4
"""The number of places at which a stream is split in two; they differ for each case."""

pytestmark = pytest.mark.parametrize("family", CORPUS)


@pytest.fixture(params=["api", "consumer"])
async def port(request: pytest.FixtureRequest, api: Api) -> AsyncIterator[Port]:
    """Return each of the ports of the service."""
    app = api.app if request.param == "api" else health_app(api.readiness)
    async with served_in_memory(app) as server:
        yield Port(server, api)


@pytest.fixture
def cases(request: pytest.FixtureRequest, family: str, port: Port) -> list[Case]:
    """Return the cases of the family, with the responses that `port` must give."""
    is_api = request.node.callspec.params["port"] == "api"
    return [case if is_api else case.for_consumer for case in CORPUS[family]]


def test_corpus_is_large(family: str) -> None:
    """Each case has a unique name."""
    names = [case.name for case in CORPUS[family]]
    assert len(names) == len(set(names)) > 30
    assert sum(map(len, CORPUS.values())) >= 1_000


async def test_responses_do_not_depend_on_splits(cases: list[Case], port: Port) -> None:
    """Whole, byte by byte, and in two parts with a pause."""
    wrong: dict[str, str] = {}
    for number, case in enumerate(cases):
        stream = _probed(case)
        statuses = _judge(case, await port.whole(stream), "whole", wrong)
        cut = {"byte by byte": await port.byte_by_byte(stream)}
        step = len(stream) // _CUTS + 1
        places = range(1 + number % step, len(stream), step)
        cut |= {f"cut at {place}": await port.in_two(stream, place) for place in places}
        for way, outcome in cut.items():
            found = _judge(case, outcome, way, wrong)
            if not case.is_early and None not in (statuses, found) and found != statuses:
                wrong[f"{case.name}, {way}"] = f"{found}, but whole {statuses}"
    assert wrong == {}


async def test_half_closed_client_gets_its_responses(cases: list[Case], port: Port) -> None:
    """All of them, and then the connection closes."""
    wrong: dict[str, str] = {}
    for case in cases:
        _judge(case, await port.with_fin(case.stream), "FIN", wrong, is_probed=False)
    assert wrong == {}


async def test_responses_on_real_connections_are_the_same(cases: list[Case], port: Port) -> None:
    """Over sockets, with and without FIN."""
    wrong: dict[str, str] = {}
    for case in cases:
        _judge(case, await port.over_a_socket(case.stream, fin=True), "FIN", wrong, is_probed=False)
        if case.end is not End.WAITS:
            _judge(case, await port.over_a_socket(_probed(case)), "whole", wrong)
    assert wrong == {}


def _probed(case: Case) -> bytes:
    return case.stream if case.end is End.WAITS else case.stream + PROBE


def _judge(
    case: Case, outcome: Outcome, way: str, wrong: dict[str, str], *, is_probed: bool = True
) -> list[int] | None:
    """Return the statuses, or None where they are `wrong`."""
    try:
        return judge(case, outcome, is_probed=is_probed)
    except AssertionError as error:
        wrong[f"{case.name}, {way}"] = str(error)
        return None
