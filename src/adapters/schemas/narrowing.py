"""One place of a new schema that is narrower than the old one."""

from enum import StrEnum
from typing import NamedTuple

from domain.payload_schema import one_line


class Certainty(StrEnum):
    """How sure a finding is."""

    IS = "is"
    """There are payloads that are no longer accepted."""
    MAY = "may"
    """It was not proved that there are none."""


class Narrowing(NamedTuple):
    """A place of a new schema that may refuse what the old one accepted; `pointer` is empty for the whole file."""

    file: str
    pointer: str
    certainty: Certainty
    reason: str

    def __str__(self) -> str:
        """Return one line."""
        place = f"{self.file}#{self.pointer}" if self.pointer else self.file
        maybe = "may narrow: " if self.certainty is Certainty.MAY else ""
        return one_line(f"{place}: {maybe}{self.reason}")
