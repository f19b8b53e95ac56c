"""What people change in the index, and what it forgets. Each function is a transaction under the index's lock."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.dead_letters.audit_log import add_entry
from adapters.postgres.dead_letters.choice import Parameters, concerned
from application.dead_letters.letters import Edit, LetterFilter, LetterState
from application.dead_letters.orders import Action, CountChanged, NewEntry, Order
from application.ports import NotEditable
from domain.event import UserEvent

_FORGET_LETTERS = 5_000

# One that was changed while its lock was awaited is judged anew.
_CONCERNED = "SELECT letter.id FROM dead_letters AS letter WHERE {condition} ORDER BY letter.id FOR UPDATE"
_LISTED = "INSERT INTO audit_log_letters (letter_id, audit_id) SELECT id, $2 FROM unnest($1::text[]) AS given (id)"
_CHANGE = "UPDATE dead_letters SET state = $2, changed_at = $3 WHERE id = ANY($1::text[])"
_STATE = "SELECT state FROM dead_letters WHERE id = $1 FOR UPDATE"
_KEEP_EDIT = """
INSERT INTO dead_letter_edits (letter_id, number, audit_id, key, value, event_id, user_id, event_type)
SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7 FROM dead_letter_edits WHERE letter_id = $1
RETURNING number
"""
_EDIT = "UPDATE dead_letters SET edits = $2, event_id = $3, user_id = $4, event_type = $5 WHERE id = $1"
_FORGET = """
WITH forgotten AS (
    DELETE FROM dead_letters WHERE id IN (
        SELECT id FROM dead_letters WHERE state IN ('stored', 'discarded') AND changed_at < $1
        ORDER BY id LIMIT $2 FOR UPDATE
    )
    RETURNING id
), failures AS (
    DELETE FROM dead_letter_attempts WHERE letter_id IN (SELECT id FROM forgotten)
)
SELECT count(*) FROM forgotten
"""


async def change(
    connection: AsyncConnection,
    wanted: LetterFilter,
    order: Order,
    entry: NewEntry,
    *,
    topic: str,
    expected: int | None,
) -> int:
    """Discard or restore the letters concerned, and list them under an entry of the audit log; return how many.

    Raises `CountChanged` where it is not `expected`; `topic` is the events' topic.
    """
    parameters = Parameters()
    statement = _CONCERNED.format(condition=concerned(wanted, order, topic, parameters))
    letter_ids = [*(await connection.exec_driver_sql(statement, parameters.values)).scalars()]
    if expected is not None and expected != len(letter_ids):
        raise CountChanged(expected, len(letter_ids))
    made = await add_entry(connection, entry, {"letters": len(letter_ids)})
    state = LetterState.DISCARDED if order.action is Action.DISCARD else LetterState.DEAD
    await connection.exec_driver_sql(_LISTED, (letter_ids, made.id))
    await connection.exec_driver_sql(_CHANGE, (letter_ids, state.value, made.at))
    return len(letter_ids)


async def edit(
    connection: AsyncConnection, letter_id: str, value: bytes, key: bytes | None, event: UserEvent, *, entry: NewEntry
) -> Edit | None:
    """Give a dead letter another value and key; None where there is no such letter. Raises `NotEditable`."""
    state = (await connection.exec_driver_sql(_STATE, (letter_id,))).scalar_one_or_none()
    if state is None:
        return None
    if state != LetterState.DEAD:
        raise NotEditable(f"the dead letter {letter_id} is {state}: only a dead one is edited")
    made = await add_entry(connection, entry, {"letters": 1})
    fields = (event.id, event.user_id, event.event_type)
    kept = await connection.exec_driver_sql(_KEEP_EDIT, (letter_id, made.id, key, value, *fields))
    number = kept.scalar_one()
    await connection.exec_driver_sql(_EDIT, (letter_id, number, *fields))
    return Edit(number, made.at, made.who, made.reason, value)


async def forget(connection: AsyncConnection, before: datetime) -> int:
    """Delete letters that were stored or discarded before a time, with their histories; return how many."""
    return int((await connection.exec_driver_sql(_FORGET, (before, _FORGET_LETTERS))).scalar_one())
