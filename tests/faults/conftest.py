"""Three brokers beside a controller, a database, and a stage for each scenario; the report at the end."""

import re
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import pytest

from adapters.postgres.sessions.database import Database
from entrypoints.dev.local_postgres import LocalPostgres
from tests.faults.network import broker_proxies
from tests.faults.results import FILE, PASSED, Figures, Result, Run
from tests.faults.servers import KafkaNodes, PostgresProcesses, starter
from tests.faults.stage import Stage
from tests.support.framing import postgres_messages
from tests.support.kafka import running
from tests.support.postgres import PostgresServer
from tests.support.proxy import proxied
from tests.support.service import services as started_services
from tools.kafka import KafkaCluster, probe

BROKERS = 3
FULL_EVENTS, QUICK_EVENTS = 20_000, 2_000
_SCENARIO_SECONDS = 300
_RUN = pytest.StashKey[Run]()
_FIGURES = pytest.StashKey[Figures]()
_NUMBER = re.compile(r"test_(\d\d)_")


@pytest.fixture(scope="session", autouse=True)
def patched_client() -> None:
    """Leave the client as it is, unlike in other tests: its own records say whose time they have."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suite."""
    parser.addoption("--quick", action="store_true", help="run the quick set, with fewer events")
    parser.addoption("--events", type=int, help="how many events a scenario has acknowledged at least")
    parser.addoption("--seed", help="the seed of the clients; printed, and a new one unless given")


def pytest_configure(config: pytest.Config) -> None:
    """Continue the run that was broken off, or begin a new one."""
    config.addinivalue_line("markers", "quick: belongs to the quick set")
    seed = config.getoption("--seed")
    kept = None if config.getoption("--quick") or seed else Run.unfinished()
    config.stash[_RUN] = kept or Run.begin(seed or token_hex(4))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order scenarios by number, and leave out what is not wanted or has passed in this run already."""
    run = config.stash[_RUN]
    scenarios = sorted((item for item in items if _NUMBER.match(item.name)), key=lambda item: item.name)
    if config.getoption("--quick"):
        wanted = [item for item in scenarios if item.get_closest_marker("quick")]
    else:
        wanted = [item for item in scenarios if _outcome(run, item) != PASSED]
        if not wanted:
            # Complete: the next run is a new one.
            run = config.stash[_RUN] = Run.begin(token_hex(4))
            wanted = scenarios
    for item in wanted:
        item.add_marker(pytest.mark.timeout(_SCENARIO_SECONDS))
    others = [item for item in items if item not in scenarios]
    config.hook.pytest_deselected(items=[item for item in scenarios if item not in wanted])
    items[:] = [*others, *wanted]


def _outcome(run: Run, item: pytest.Item) -> str | None:
    result = run.results.get(item.name)
    return None if result is None else result.outcome


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep each scenario's result."""
    report = yield
    if (report.when == "call" or report.failed) and _NUMBER.match(item.name):
        figures = item.stash.get(_FIGURES, Figures())
        item.config.stash[_RUN].note(item.name, Result(report.outcome, round(call.duration, 1), figures))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report on all scenarios of the run, earlier sessions' too."""
    run = config.stash[_RUN]
    if run.results:
        terminalreporter.section(f"faults, kept in {FILE}")
        for line in run.report():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def cluster() -> Iterator[KafkaCluster]:
    """Brokers that send their clients to ports where only a stage's proxies listen."""
    with tempfile.TemporaryDirectory(prefix="user-events-faults-") as directory:
        made = KafkaCluster(
            Path(directory),
            brokers=BROKERS,
            advertised_ports=probe.free_ports(BROKERS),
            # So that every record tells when it was appended, by the broker's clock.
            properties={"log.message.timestamp.type": "LogAppendTime"},
        )
        with running(made):
            yield made


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A database server of this suite's own, which keeps the time of each commit."""
    with tempfile.TemporaryDirectory(prefix="user-events-faults-") as directory:
        # Processes are killed in these tests, the machine is not: no need to wait for its disk.
        options = {"fsync": "off", "track_commit_timestamp": "on", "log_lock_waits": "on"}
        local = LocalPostgres(Path(directory) / "data", options=options)
        starter.submit(local.start).result()
        try:
            yield PostgresServer(Database(local.host, local.port, local.user, local.password, local.database), local)
        finally:
            local.stop()


@pytest.fixture
async def stage(
    request: pytest.FixtureRequest, tmp_path: Path, cluster: KafkaCluster, postgres: PostgresServer, database: Database
) -> AsyncIterator[Stage]:
    """A stage with its topic, on servers that are whole before and after."""
    config = request.config
    events = config.getoption("--events") or (QUICK_EVENTS if config.getoption("--quick") else FULL_EVENTS)
    figures = request.node.stash[_FIGURES] = Figures()
    nodes, processes = KafkaNodes(cluster), PostgresProcesses(_local(postgres))
    await nodes.heal()
    async with (
        broker_proxies(dict(zip(nodes.nodes, cluster.ports, strict=True)), _advertised(cluster)) as brokers,
        proxied(database.port, postgres_messages) as db,
        started_services(tmp_path) as services,
    ):
        made = Stage(
            services,
            replace(database),
            nodes.topics,
            kafka=nodes,
            postgres=processes,
            brokers=brokers,
            db=db,
            seed=f"{config.stash[_RUN].seed}/{request.node.name}",
            events=events,
            figures=figures,
        )
        try:
            yield made
        finally:
            await services.close()
            await nodes.heal()
            await processes.heal()
            await made.topics.remove(made.topic, made.dlq_topic)


def _advertised(cluster: KafkaCluster) -> dict[int, int]:
    """Where clients are sent to, by node."""
    ports = (int(address.rpartition(":")[2]) for address in cluster.bootstrap.split(","))
    return dict(enumerate(ports, 1))


def _local(postgres: PostgresServer) -> LocalPostgres:
    assert postgres.local is not None
    return postgres.local
