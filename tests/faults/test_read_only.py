"""A database that takes no writes for a while: sessions that began meanwhile are not kept."""

import pytest

from tests.faults.stage import Stage
from tests.support.postgres import connect
from tests.support.waiting import eventually

_TERMINATE = """
    SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
    WHERE application_name = 'user-events' AND datname = current_database()
"""


@pytest.mark.quick
async def test_37_database_is_read_only_for_a_while(stage: Stage) -> None:
    """It heals by itself, although nobody ends the sessions that began as read-only ones."""
    consumer = await stage.run("consumer")
    administrator = await connect(stage.database)
    earlier = _refusals(stage)

    async def is_refused() -> bool:
        return _refusals(stage) > earlier

    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 2)
        await administrator.execute(f'ALTER DATABASE "{stage.database.name}" SET default_transaction_read_only = on')
        stage.struck_in_flight(load, "read-only")
        await administrator.execute(_TERMINATE)
        # The first failures are those of the sessions that were ended.
        await eventually(is_refused, "a write refused")
        await consumer.degraded()
        stage.struck("writes refused", _refusals(stage) - earlier)
        await administrator.execute(f'ALTER DATABASE "{stage.database.name}" RESET default_transaction_read_only')
        stage.healed()
        await load.acknowledged(stage.events)
    await administrator.close()
    seen = await stage.prove(load)
    assert seen.letters == []


def _refusals(stage: Stage) -> int:
    return stage.postgres.log.count("in a read-only transaction")
