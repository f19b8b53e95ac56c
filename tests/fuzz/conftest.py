"""How many inputs each target runs, from which seed, and the table at the end."""

import functools
from collections.abc import AsyncIterator, Generator
from secrets import randbelow
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.api import Api, an_api

_PROFILE = "fuzz"
_INPUTS = "inputs"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the suite."""
    parser.addoption("--inputs", type=int, default=100, help="how many inputs each target runs")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make Hypothesis' profile, and choose a seed unless one is given, before it and the workers ask for them."""
    settings.register_profile(
        _PROFILE,
        max_examples=config.getoption("--inputs"),
        deadline=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    config.option.hypothesis_profile = _PROFILE
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(randbelow(1 << 32))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Function) -> Generator[None, None, None]:
    """Count the inputs of a target."""
    hypothesis = getattr(item.obj, "hypothesis", None)
    if hypothesis is None:
        return (yield)
    target = hypothesis.inner_test
    count = 0

    @functools.wraps(target)
    def counting(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        return target(*args, **kwargs)

    hypothesis.inner_test = counting
    try:
        return (yield)
    finally:
        hypothesis.inner_test = target
        item.user_properties.append((_INPUTS, count))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the inputs of each target, and how a failure is run again."""
    total = 0
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            inputs = dict(report.user_properties).get(_INPUTS)
            if report.when != "call" or inputs is None:
                continue
            total += inputs
            terminalreporter.write_line(f"{inputs:>8,} inputs  {report.duration:6.1f} s  {outcome}  {report.nodeid}")
            if outcome == "failed":
                options = f"INPUTS={config.getoption('--inputs')} SEED={config.option.hypothesis_seed}"
                test = report.nodeid.rpartition("::")[2]
                terminalreporter.write_line(f"         again with: make fuzz {options} ONLY={test}")
                terminalreporter.write_line(
                    "         the same input, to the byte, by @reproduce_failure as printed above"
                )
    terminalreporter.write_line(f"{total:>8,} inputs in all, seed {config.option.hypothesis_seed}")


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """Make an API over empty adapters, which serves all inputs of a target."""
    async with an_api() as made:
        yield made
