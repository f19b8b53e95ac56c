"""`user-events dlq` and `audit-log` on what a real consumer dead-lettered."""

import json
from pathlib import Path
from typing import Any

from adapters.records import codec
from tests.support.command import Finished, user_events
from tests.support.events import an_event
from tests.support.records import NewRecord
from tests.support.world import World

POISON = b"{oops"
SCRIPT = ("--yes", "--reason", "mended")


async def dlq(world: World, *arguments: str, exit_code: int = 0) -> Finished:
    """Run a subcommand, which ends with `exit_code`."""
    finished = await user_events("dlq", *arguments, environment=world.environment)
    assert finished.exit_code == exit_code, finished
    return finished


async def listed(world: World, *arguments: str) -> dict[str, dict[str, Any]]:
    """List letters by their ids."""
    lines = (await dlq(world, "list", "--json", *arguments)).stdout.splitlines()
    return {letter["id"]: letter for letter in map(json.loads, lines)}


async def test_operator_looks_into_dead_letters_and_changes_them(world: World, tmp_path: Path) -> None:
    """Rebuilt from the topic, listed, shown, edited, discarded, restored, replayed; the audit log has it all."""
    await world.make_topic(partitions=1)
    event = an_event()
    conflict = event._replace(payload=b'{"n":2}')
    await world.send(*map(NewRecord, (codec.encode(event), POISON, codec.encode(conflict), POISON)))
    consumer = await world.run("consumer")
    await world.consumed(4)
    assert await consumer.terminate() == 0

    assert json.loads((await dlq(world, "rebuild", "--yes", "--json")).stdout) == {"letters": 3}
    letters = await listed(world)
    assert {letter_id: letter["kind"] for letter_id, letter in letters.items()} == {
        "0-1": "undecodable",
        "0-2": "conflict",
        "0-3": "undecodable",
    }
    groups = json.loads((await dlq(world, "groups", "--json")).stdout)
    assert [(group["kind"], group["count"]) for group in groups] == [("undecodable", 2), ("conflict", 1)]
    assert "/payload/n: (absent) -> 2" in (await dlq(world, "show", "0-2")).stdout
    assert (await dlq(world, "show", "0-1", "--value")).stdout == POISON.decode()
    exported = (await dlq(world, "export", "--kind", "undecodable")).stdout.splitlines()
    assert [json.loads(line)["value"]["text"] for line in exported] == [POISON.decode()] * 2

    await dlq(world, "discard", "--id", "0-3", *SCRIPT)
    assert set(await listed(world, "--state", "discarded")) == {"0-3"}
    await dlq(world, "restore", "--all", "--yes")
    file = tmp_path / "value"
    file.write_bytes(codec.encode(an_event("user-9")))
    await dlq(world, "edit", "0-1", "--file", str(file), "--yes")
    replayed = json.loads((await dlq(world, "replay", "--all", *SCRIPT, "--json")).stdout)
    assert (replayed["job"]["letters"], replayed["preview"]["skipped"][0]["reason"]) == (2, "conflict")
    # No consumer runs, so the job waits.
    assert set(await listed(world, "--state", "replaying")) == {"0-1", "0-3"}
    await dlq(world, "jobs", replayed["job"]["id"], "--cancel")
    assert {letter["state"] for letter in (await listed(world)).values()} == {"dead"}
    # The index is built again from the topic, the edit from what outlives it.
    await dlq(world, "rebuild", "--yes")
    assert (await listed(world, "--user", "user-9")).keys() == {"0-1"}

    entries = await user_events("audit-log", "--json", environment=world.environment)
    actions = [json.loads(line)["action"] for line in entries.stdout.splitlines()]
    assert actions == ["rebuild", "cancel job", "replay", "edit", "restore", "discard", "rebuild"]
