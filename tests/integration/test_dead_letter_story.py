"""One story: bad events become dead letters, and an operator finds, mends, replays and discards them."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import pytest

from adapters.postgres.event_log.record_writer import LogWriter
from adapters.postgres.event_log.record_writer import NewRecord as EmbeddedRecord
from adapters.postgres.sessions.database import Database
from adapters.postgres.sessions.engine import create_engine
from adapters.records.replays import new_event_id
from domain.fingerprint import fingerprint
from entrypoints.cli import person
from tests.support.dead_letter_story import (
    BAD_OF_A_KIND,
    REFUSED_USERS,
    Events,
    Json,
    Stage,
    a_stage,
    as_row,
    as_value,
    by_id,
)
from tests.support.kafka import KafkaServer
from tests.support.letter_commands import CommandOperator
from tests.support.letter_http import HttpOperator
from tests.support.letter_operator import Operator
from tests.support.records import NewRecord, Topics
from tests.support.service import Services
from tests.support.waiting import eventually
from tests.support.world import World

# On a busy machine each of some thirty commands takes seconds to start.
pytestmark = pytest.mark.timeout(900)
NOWHERE = "127.0.0.1:9"
CANARY, RATE, RENAMED = 5, 20.0, 10


@pytest.fixture(params=["kafka", "embedded"])
def bootstrap(request: pytest.FixtureRequest) -> str | None:
    """Where Kafka is; None for the embedded log."""
    if request.param == "embedded":
        return None
    server: KafkaServer = request.getfixturevalue("kafka")
    return server.bootstrap


@pytest.fixture
async def stage(bootstrap: str | None, services: Services, database: Database) -> AsyncIterator[Stage]:
    """One log, then the other."""
    world = World(services, database, Topics(bootstrap or NOWHERE))
    if bootstrap is not None:
        yield await a_stage(world, {}, lambda records: world.send(*records))
        return
    engine = create_engine(database, application_name="tests", pool_size=1)
    writer = LogWriter(engine, world.topic)

    async def append(records: Iterable[NewRecord]) -> None:
        await writer.append([EmbeddedRecord(each.partition, each.key, each.value, ()) for each in records])

    yield await a_stage(world, {"EVENT_LOG": "postgres"}, append)
    await writer.close()
    await engine.dispose()


def http(stage: Stage, _folder: Path) -> Operator:
    return HttpOperator(stage.api)


def command_line(stage: Stage, folder: Path) -> Operator:
    return CommandOperator(stage.environment, folder)


@pytest.mark.parametrize("an_operator", [http, command_line])
async def test_bad_events_are_found_mended_replayed_and_discarded(
    stage: Stage, an_operator: Callable[[Stage, Path], Operator], tmp_path: Path
) -> None:
    """Each event is stored once or accounted for; a rebuild of the index and the audit log tell the same."""
    operator = an_operator(stage, tmp_path)
    events = await stage.publish()

    groups = await the_groups(operator, events)
    letters = await the_letters(operator)
    await the_dry_runs(operator)
    edited = await the_edit(operator, letters["invalid"][0])
    halted = await the_failing_canary(operator, groups["rejected"]["fingerprint"])
    await stage.mend()
    resumed = await the_way_on(operator, halted)
    # A job that is resumed does not publish again what has failed.
    failed = CANARY if resumed == halted else 0
    renamed = letters["conflict"][:RENAMED]
    await the_kill(stage, operator, resumed, renamed, failed=failed)
    if failed:
        await replayed(operator, {"fingerprint": groups["rejected"]["fingerprint"]}, "the canary, too", failed)
    left = {*letters["invalid"][1:], *letters["conflict"][RENAMED:]}
    await the_discard(operator, letters["invalid"][1], len(left))

    full = by_id(await operator.export())
    assert {letter_id: letter["state"] for letter_id, letter in full.items()} == {
        letter_id: "discarded" if letter_id in left else "stored" for ids in letters.values() for letter_id in ids
    }
    new_ids = [(full[each], new_event_id(each, 1)) for each in renamed]
    assert await stage.rows() == sorted(
        [
            *map(as_row, [*events.good, *events.rejected, edited]),
            *(as_row(letter["value"]["json"], event_id) for letter, event_id in new_ids),
        ]
    )
    await the_rebuild(stage, operator, [letters["invalid"][0], letters["conflict"][-1]])
    await the_audits(stage, operator, failed=failed)


async def the_groups(operator: Operator, events: Events) -> dict[str, Json]:
    """Three causes, 100 letters each."""
    groups = {group["kind"]: group for group in await operator.groups()}
    assert {kind: (group["count"], group["users"], group["errorClass"]) for kind, group in groups.items()} == {
        "rejected": (BAD_OF_A_KIND, REFUSED_USERS, "CheckViolationError"),
        "invalid": (BAD_OF_A_KIND, 5, "Invalid"),
        "conflict": (BAD_OF_A_KIND, len({event["userId"] for event in events.conflict}), "Conflict"),
    }
    for kind, group in groups.items():
        assert group["fingerprint"] == fingerprint(kind, group["errorClass"], group["message"])
    return groups


async def the_letters(operator: Operator) -> dict[str, list[str]]:
    """Their ids, by kind."""
    text = (await operator.letters()).strip()
    # The api lists them as an array, the command line one a line.
    rows = json.loads(text) if text.startswith(b"[") else [*map(json.loads, text.splitlines())]
    assert {row["state"] for row in rows} == {"dead"}
    letters: dict[str, list[str]] = {}
    for row in rows:
        letters.setdefault(row["kind"], []).append(row["id"])
    return letters


async def the_dry_runs(operator: Operator) -> None:
    """They tell what would be done, and change nothing."""
    preview = await operator.preview("replay", {"state": "dead"})
    assert preview["count"] == 2 * BAD_OF_A_KIND
    assert Counter({group["kind"]: group["count"] for group in preview["groups"]}) == {
        "rejected": BAD_OF_A_KIND,
        "invalid": BAD_OF_A_KIND,
    }
    (skipped,) = preview["skipped"]
    assert (skipped["reason"], skipped["count"]) == ("conflict", BAD_OF_A_KIND)
    assert skipped["detail"] == "it would conflict again: edit it, or replay it with a new event id"
    assert (await operator.preview("replay", {"state": "dead"}, newEventId=True))["count"] == 3 * BAD_OF_A_KIND
    assert await operator.audit_log() == []


async def the_edit(operator: Operator, letter_id: str) -> Json:
    """A value that is no event is refused with the validator's words; one that is can be replayed."""
    event: Json = json.loads(await operator.show(letter_id))["value"]["json"]
    why = await operator.refused(letter_id, as_value(event | {"userId": ""}))
    for problem in ("eventType: must be one of LOGIN, LOGOUT, PRODUCT_VIEW", "userId: must not be empty"):
        assert problem in why
    good = event | {"eventType": "LOGOUT"}
    differences = await operator.edit(letter_id, as_value(good), "a misspelt type")
    assert differences == [{"pointer": "/eventType", "before": '"SIGNUP"', "after": '"LOGOUT"'}]
    await replayed(operator, {"ids": [letter_id]}, "edited", 1)
    return good


async def the_failing_canary(operator: Operator, cause: str) -> str:
    """The cause is not mended yet: five letters tell so, the other ones stay where they are."""
    terms = {"canary": CANARY, "ratePerSecond": RATE}
    job = await operator.change("replay", {"fingerprint": cause}, "mended, I hope", **terms)
    halted = await operator.follow(job["id"], ends_well=False)
    assert halted["state"] == "halted"
    assert re.fullmatch(rf"canary of {CANARY}: [0-9]+-[0-9]+ failed again: .*known_users.*", halted["why"])

    # The first one that fails halts it; what became of the others shows soon after.
    async def all_are_back() -> bool:
        counts = (await operator.job(job["id"]))["counts"]
        assert counts["waiting"] == BAD_OF_A_KIND - CANARY
        return bool(counts["dead"] == CANARY)

    await eventually(all_are_back, "the canary is back")
    return str(job["id"])


async def the_way_on(operator: Operator, halted: str) -> str:
    """One operator lets the halted job go on at its rate, the other one cancels it and orders another."""
    if isinstance(operator, CommandOperator):
        await operator.control(halted, "resume", "now it is mended")
        return halted
    await operator.control(halted, "cancel", "a new one is clearer")
    job = await operator.change("replay", {"kind": "rejected"}, "now it is mended", ratePerSecond=RATE)
    assert job["letters"] == BAD_OF_A_KIND
    return str(job["id"])


async def the_kill(stage: Stage, operator: Operator, job_id: str, conflicts: list[str], *, failed: int) -> None:
    """Another worker ends the job of one that was killed; meanwhile other letters are replayed."""
    survivor = await stage.kill_worker(job_id, published=failed + 2 * CANARY)
    await replayed(operator, {"ids": conflicts}, "events of their own", len(conflicts), newEventId=True)
    await stage.is_taken_over(job_id, survivor)
    job = await operator.follow(job_id, ends_well=not failed)
    assert (job["state"], job["counts"]["stored"], job["counts"]["dead"]) == (
        "finished",
        BAD_OF_A_KIND - failed,
        failed,
    )


async def the_discard(operator: Operator, letter_id: str, count: int) -> None:
    """What is left is given up; a discard can be taken back."""
    assert (await operator.preview("discard", {"state": "dead"}))["count"] == count
    assert (await operator.change("discard", {"state": "dead"}, "test accounts"))["changed"] == count
    assert (await operator.change("restore", {"ids": [letter_id]}, "a second look"))["changed"] == 1
    assert json.loads(await operator.show(letter_id))["state"] == "dead"
    assert (await operator.change("discard", {"ids": [letter_id]}, "a test account, too"))["changed"] == 1


async def the_rebuild(stage: Stage, operator: Operator, shown: list[str]) -> None:
    """The index is made of the topic and of the audit log again: the same to the byte."""

    async def everything() -> list[bytes]:
        return [await operator.letters(), await operator.export(), *[await operator.show(each) for each in shown]]

    before = await everything()
    done = await stage.command("dlq", "rebuild", "--yes", "--reason", "to be sure", "--json")
    assert json.loads(done.stdout) == {"letters": 3 * BAD_OF_A_KIND}
    assert await everything() == before


async def the_audits(stage: Stage, operator: Operator, *, failed: int) -> None:
    """No event is missing; the log of what was done has who, what, how many and why, in order."""
    audit = json.loads((await stage.command("audit", "--json")).stdout)
    assert audit["missing"] == []
    entries = await operator.audit_log()
    assert [(each["action"], each["counts"].get("letters"), each["reason"]) for each in reversed(entries)] == [
        ("edit", 1, "a misspelt type"),
        ("replay", 1, "edited"),
        ("replay", BAD_OF_A_KIND, "mended, I hope"),
        *(
            [("resume job", None, "now it is mended")]
            if failed
            else [
                ("cancel job", BAD_OF_A_KIND - CANARY, "a new one is clearer"),
                ("replay", BAD_OF_A_KIND, "now it is mended"),
            ]
        ),
        ("replay", RENAMED, "events of their own"),
        *([("replay", failed, "the canary, too")] if failed else []),
        ("discard", 2 * BAD_OF_A_KIND - 1 - RENAMED, "test accounts"),
        ("restore", 1, "a second look"),
        ("discard", 1, "a test account, too"),
        ("rebuild", 3 * BAD_OF_A_KIND, "to be sure"),
    ]
    assert [each["who"] for each in reversed(entries)] == [*[operator.who] * (len(entries) - 1), person.who()]


async def replayed(operator: Operator, chosen: Json, reason: str, count: int, **terms: object) -> None:
    """Replay letters that can be stored."""
    job = await operator.replay(chosen, reason, **terms)
    assert (job["state"], job["letters"], job["counts"]["stored"]) == ("finished", count, count)
