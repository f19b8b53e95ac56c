"""The contract of `AuditLog`."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from application.dead_letters.orders import NewEntry
from application.ports import AuditLog

DISCARD = NewEntry("api", "discard", {"kind": "invalid", "ids": ["0-1", "1-2"]}, "not ours")
EDIT = NewEntry("cli:ann@host", "edit", {"ids": ["0-1"]}, "a comma was missing")
_ODDS = timedelta(minutes=1)
"""By how much the clocks may differ."""


class AuditLogContract:
    """Subclasses override the fixture `audit_log`."""

    @pytest.fixture
    def audit_log(self) -> AuditLog:
        """Return an empty one."""
        raise NotImplementedError

    async def test_entry_is_kept_as_it_was_recorded(self, audit_log: AuditLog) -> None:
        """With its number and its time."""
        recorded = await audit_log.record(DISCARD, {"letters": 2})
        assert await audit_log.page(None, 10) == [recorded]
        assert recorded[2:] == ("api", "discard", DISCARD.wanted, {"letters": 2}, "not ours")
        assert recorded.at.tzinfo is not None
        assert abs(recorded.at - datetime.now(UTC)) < _ODDS

    async def test_pages_list_entries_newest_first(self, audit_log: AuditLog) -> None:
        """Each page goes on before the last entry of the one before."""
        recorded = [await audit_log.record(DISCARD, {"letters": number}) for number in range(5)]
        first = await audit_log.page(None, 2)
        second = await audit_log.page(first[-1].id, 2)
        third = await audit_log.page(second[-1].id, 2)
        assert [*first, *second, *third] == recorded[::-1]
        assert await audit_log.page(third[-1].id, 2) == []

    async def test_pages_list_one_action_or_one_person(self, audit_log: AuditLog) -> None:
        """Or both."""
        discard = await audit_log.record(DISCARD, {})
        edit = await audit_log.record(EDIT, {})
        other = await audit_log.record(EDIT._replace(who="api"), {})
        assert await audit_log.page(None, 10, action="edit") == [other, edit]
        assert await audit_log.page(None, 10, who="api") == [other, discard]
        assert await audit_log.page(None, 10, action="edit", who="api") == [other]
        assert await audit_log.page(other.id, 10, action="edit") == [edit]
        assert await audit_log.page(None, 10, who="auto") == []

    async def test_entries_recorded_at_once_are_all_kept(self, audit_log: AuditLog) -> None:
        """Each under a number of its own."""
        recorded = await asyncio.gather(*(audit_log.record(DISCARD, {"letters": each}) for each in range(20)))
        page = await audit_log.page(None, 100)
        assert sorted(page) == sorted(recorded)
        assert len({entry.id for entry in page}) == len(recorded)
