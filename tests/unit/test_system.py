"""What an event gets where its client states none."""

from datetime import UTC
from uuid import UUID

import msgspec

from adapters.system import new_id, utc_now


def test_time_is_told_in_milliseconds_and_utc() -> None:
    """As the predecessor's producers do."""
    now = utc_now()
    assert now.microsecond % 1000 == 0
    assert now.tzinfo is UTC


def test_time_goes_on() -> None:
    """What is shared is one millisecond's alone."""
    before = utc_now()
    while (now := utc_now()) == before:
        pass
    assert now > before


def test_ids_are_of_version_7_and_sort_as_they_were_made() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert {each.version for each in ids} == {7}
    assert sorted(set(ids)) == ids


def test_id_is_as_good_as_any_other() -> None:
    """Whatever class it has: it equals, and is found as, the one that is read back."""
    made = new_id()
    read = msgspec.json.decode(msgspec.json.encode(made), type=UUID)
    assert isinstance(made, UUID)
    assert (read, {read: 1}[made]) == (made, 1)
