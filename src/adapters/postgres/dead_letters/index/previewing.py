"""What an order would do, seen at one moment."""

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.dead_letters.choice import Parameters, chosen, concerned, skipped
from adapters.postgres.dead_letters.index import reading
from application.dead_letters.letters import LetterFilter
from application.dead_letters.orders import Order, Preview, Skipped

_MAX_GROUPS = 100
_SAMPLE_LETTERS = 10

_COUNTS = """
SELECT {skipped} AS skipped, count(*) AS letters, min(letter.failed_at) AS oldest, max(letter.failed_at) AS newest
FROM dead_letters AS letter WHERE {chosen} GROUP BY skipped
"""
_SAMPLE = """
SELECT letter.id FROM dead_letters AS letter WHERE {condition}
ORDER BY letter.failed_at DESC, letter.id DESC LIMIT {limit}
"""


async def preview(connection: AsyncConnection, wanted: LetterFilter, order: Order, topic: str) -> Preview:
    """Tell what `order` would do to the chosen letters; `topic` is the events' topic."""
    await reading.see_one_moment(connection)
    parameters = Parameters()
    counts = _COUNTS.format(skipped=skipped(order, topic, parameters), chosen=chosen(wanted, parameters))
    rows = {row.skipped: row for row in await connection.exec_driver_sql(counts, parameters.values)}
    concerns = rows.pop(None, None)
    parameters = Parameters()
    condition = concerned(wanted, order, topic, parameters)
    groups = await reading.groups(connection, condition, parameters, _MAX_GROUPS)
    parameters = Parameters()
    condition = concerned(wanted, order, topic, parameters)
    sample = _SAMPLE.format(condition=condition, limit=parameters.add(_SAMPLE_LETTERS))
    return Preview(
        count=concerns.letters if concerns else 0,
        groups=groups,
        oldest=concerns.oldest if concerns else None,
        newest=concerns.newest if concerns else None,
        sample=[*(await connection.exec_driver_sql(sample, parameters.values)).scalars()],
        skipped={Skipped[name]: row.letters for name, row in rows.items()},
    )
