"""The SQL by which letters are chosen, and by which chosen ones are left alone: one meaning for a filter and an order.

All conditions are about a row of `dead_letters AS letter`. Values are parameters, collected while the SQL is written:

    parameters = Parameters()
    sql = f"SELECT letter.id FROM dead_letters AS letter WHERE {concerned(wanted, order, topic, parameters)}"
    await connection.exec_driver_sql(sql, parameters.values)
"""

import re

from application.dead_letters.letters import LetterFilter, LetterState
from application.dead_letters.orders import Action, Order, Skipped
from domain.dead_letter import FailureKind

CONFLICTS_AGAIN = f"(letter.kind = '{FailureKind.CONFLICT}' AND letter.edits <= letter.failed_edit)"
"""Whether a letter conflicts again if it is replayed as it is, under its own event id."""

_UNFIT = re.compile("[\0\ud800-\udfff]")
_COLUMNS = ("kind", "fingerprint", "user_id", "event_type", "event_id", "error_class")


class Parameters:
    """The values of a statement that is being written; each is given once, and named as often as needed."""

    def __init__(self, *values: object) -> None:
        """Begin with `values`: $1, $2 and so on."""
        self._values = list(values)

    def add(self, value: object) -> str:
        """Take a value; return the name by which the statement refers to it."""
        self._values.append(value)
        return f"${len(self._values)}"

    @property
    def values(self) -> tuple[object, ...]:
        """All values, in order."""
        return tuple(self._values)


def is_text(text: str) -> bool:
    """Tell whether the database can hold a text; one with a NUL or a lone surrogate equals none that is there."""
    return _UNFIT.search(text) is None


def chosen(wanted: LetterFilter, parameters: Parameters) -> str:
    """Write the condition that a letter matches `wanted`."""
    conditions = []
    for column in _COLUMNS:
        value = getattr(wanted, column)
        if isinstance(value, str) and not is_text(value):
            conditions.append("FALSE")
        elif value is not None:
            conditions.append(f"letter.{column} = {parameters.add(value)}")
    if wanted.ids is not None:
        conditions.append(f"letter.id = ANY({parameters.add([*filter(is_text, wanted.ids)])}::text[])")
    if wanted.state is not None:
        conditions.append(f"letter.state = {parameters.add(wanted.state.value)}")
    if wanted.since is not None:
        conditions.append(f"letter.failed_at >= {parameters.add(wanted.since)}")
    if wanted.until is not None:
        conditions.append(f"letter.failed_at < {parameters.add(wanted.until)}")
    return " AND ".join(conditions) or "TRUE"


def skipped(order: Order, topic: str, parameters: Parameters) -> str:
    """Write the expression for why `order` leaves a letter alone: the name of a `Skipped`, or NULL where it does not.

    `topic` is the events' topic.
    """
    state = LetterState.DISCARDED if order.action is Action.RESTORE else LetterState.DEAD
    cases = [(f"letter.state <> '{state}'", Skipped.STATE)]
    if order.action is Action.REPLAY:
        cases += [
            (f"letter.topic <> {parameters.add(topic)}", Skipped.FOREIGN),
            (f"letter.replays >= {parameters.add(order.max_replays)}", Skipped.MAX_REPLAYS),
        ]
        if not order.new_event_id:
            cases.append((CONFLICTS_AGAIN, Skipped.CONFLICT))
    whens = " ".join(f"WHEN {condition} THEN '{reason.name}'" for condition, reason in cases)
    return f"CASE {whens} END"


def concerned(wanted: LetterFilter, order: Order, topic: str, parameters: Parameters) -> str:
    """Write the condition that a letter matches `wanted` and that `order` does not leave it alone.

    To lock such letters, add `ORDER BY letter.id FOR UPDATE`: one that was changed meanwhile is judged anew.
    """
    return f"{chosen(wanted, parameters)} AND {skipped(order, topic, parameters)} IS NULL"
