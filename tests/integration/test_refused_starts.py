"""Starts that a person has to mend: one clear message and an exit code."""

import socket

import pytest

from tests.support.service import Kind
from tests.support.world import World


@pytest.mark.parametrize("kind", ["api", "consumer"])
async def test_wrong_partition_count_ends_the_start(world: World, kind: Kind) -> None:
    """Keys would move to other partitions, so neither process starts."""
    await world.make_topic(partitions=2)
    process = await world.start(kind, KAFKA_PARTITIONS="3")
    assert await process.ended() == 1
    (last,) = [line for line in process.lines() if line["level"] == "critical"]
    assert f"topic {world.topic} has 2 partitions, but KAFKA_PARTITIONS is 3" in last["event"]
    assert "Traceback" not in process.text


async def test_wrong_settings_are_all_reported_at_once(world: World) -> None:
    """Exit code 2, a line for each, without secrets."""
    wrong = {"KAFKA_BROKER": "nowhere", "DB_PORT": "70000", "BATCH_SIZE": "many", "DB_PASSWORD_FILE": "/nowhere"}
    process = await world.start("api", DB_PASSWORD="hush", **wrong)
    assert await process.ended() == 2
    named = {line.split(":")[0].split()[0] for line in process.text.splitlines()}
    assert named == {"DB_PASSWORD", *wrong}
    assert "hush" not in process.text


@pytest.mark.parametrize(("kind", "variable"), [("api", "PORT"), ("consumer", "CONSUMER_PORT")])
async def test_taken_port_is_reported_with_its_variable(world: World, kind: Kind, variable: str) -> None:
    """Exit code 1 before any other step."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = await world.start(kind, **{variable: str(port)})
        assert await process.ended() == 1
    assert [line for line in process.lines() if line["logger"] == "entrypoints.processes.lifecycle"] == []
    (last,) = [line for line in process.lines() if line["level"] == "critical"]
    assert f"port {port} on 127.0.0.1 is taken by another program: set {variable}" in last["event"]
    assert "Traceback" not in process.text
