"""What a person works with on dead letters, by the command line or by HTTP."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from application.dead_letters.browse_letters import BrowseLetters
from application.dead_letters.change_letters import ChangeLetters
from application.dead_letters.control_jobs import ControlJobs
from application.dead_letters.edit_letter import EditLetter
from application.ports import AuditLog


class Rebuild(Protocol):
    """Reads the DLQ and replaces the index by what it says; the number of letters is returned."""

    def __call__(self, who: str, reason: str, /) -> Awaitable[int]: ...


@dataclass(frozen=True, slots=True)
class DeadLetterTools:
    """The use cases, and the log of who has used them."""

    browse: BrowseLetters
    change: ChangeLetters
    edit: EditLetter
    jobs: ControlJobs
    rebuild: Rebuild
    audit_log: AuditLog
