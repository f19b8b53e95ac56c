"""Replay, discard or restore dead letters, as many as a filter chooses."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from uuid import UUID

from application.dead_letters.jobs import Job
from application.dead_letters.letters import LetterFilter
from application.dead_letters.orders import Action, NewEntry, Order, Preview
from application.ports import DeadLetterIndex, ReplayJobs

MAX_AT_ONCE = 1_000
"""From more letters on, a discard or a restore is a job."""


class ChangeLetters:
    """Carries out orders: a replay always by a job, a discard or a restore of few letters at once."""

    def __init__(self, index: DeadLetterIndex, jobs: ReplayJobs) -> None:
        self._index = index
        self._jobs = jobs

    async def preview(self, wanted: LetterFilter, order: Order) -> Preview:
        """Tell what `order` would do at this moment."""
        return await self._index.preview(wanted, order)

    async def carry_out(self, wanted: LetterFilter, order: Order, who: str, expected: int | None = None) -> int | Job:
        """Do what `order` says; return the number of letters that were changed, or the job that will do it.

        Raises `CountChanged` where the number of letters concerned is not `expected`: nothing was done then.
        """
        entry = NewEntry(who, order.action, as_json(wanted), order.reason)
        if order.action is not Action.REPLAY and (await self._index.preview(wanted, order)).count <= MAX_AT_ONCE:
            return await self._index.change(wanted, order, entry, expected)
        return await self._jobs.create(wanted, order, entry, expected)


def as_json(wanted: LetterFilter) -> Mapping[str, object]:
    """Render a filter with the names of its HTTP parameters; what it does not bound is left out."""
    values = {_camel(field.name): getattr(wanted, field.name) for field in fields(wanted)}
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case str():
            return str(value)
        case _:
            return value
