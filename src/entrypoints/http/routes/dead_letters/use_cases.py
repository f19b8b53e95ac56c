"""What the routes of dead letters need."""

from dataclasses import dataclass

from application.dead_letters.browse_letters import BrowseLetters
from application.dead_letters.change_letters import ChangeLetters
from application.dead_letters.control_jobs import ControlJobs
from application.dead_letters.edit_letter import EditLetter
from application.ports import AuditLog

WHO = "api"
"""Who changes dead letters through HTTP, for the audit log."""


@dataclass(frozen=True, slots=True)
class LetterUseCases:
    """The use cases of an operator, and the log of what operators did."""

    browse: BrowseLetters
    change: ChangeLetters
    edit: EditLetter
    jobs: ControlJobs
    audit_log: AuditLog
