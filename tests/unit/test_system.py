"""The id and the time of an event whose client gives none."""

from datetime import UTC
from uuid import UUID

import msgspec

from adapters.system import new_id, utc_now


def test_time_is_in_utc_and_whole_milliseconds() -> None:
    """As the legacy service's producers write it."""
    now = utc_now()
    assert now.microsecond % 1000 == 0
    assert now.tzinfo is UTC


def test_ids_have_version_7_and_sort_by_creation() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert {each.version for each in ids} == {7}
    assert sorted(set(ids)) == ids


def test_id_equals_the_standard_library_id_of_its_text() -> None:
    """Its class is the database driver's."""
    made = new_id()
    read = msgspec.json.decode(msgspec.json.encode(made), type=UUID)
    assert isinstance(made, UUID)
    assert (read, {read: 1}[made]) == (made, 1)
