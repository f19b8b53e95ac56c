"""The content of `GET /health/ready`, and the interface through which its route obtains it."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Literal

import msgspec

Status = Literal["UP", "DEGRADED", "DOWN"]


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of one dependency or activity of this process."""

    status: Status
    since: datetime
    """When it was first seen in this state, or when it entered it, where that is known."""
    error: str | None = None
    """The problem, without addresses and users."""
    detail: str | None = None
    """The problem in full; for operators only."""
    action: str | None = None
    """How the process or a person deals with it."""


class Report(msgspec.Struct, frozen=True):
    """The state of the process and of its parts."""

    status: Status
    parts: dict[str, Part]

    @property
    def without_details(self) -> "Report":
        """The same without details, which may contain addresses and users."""
        parts = {name: msgspec.structs.replace(part, detail=None) for name, part in self.parts.items()}
        return Report(self.status, parts)


class Health(ABC):
    """The health of this process."""

    failure: str | None = None
    """Why this process must be replaced; while it is set, `GET /health` answers 503."""

    @abstractmethod
    async def report(self) -> Report:
        """Check the process's parts and return their states."""
