"""What an operator works with, by HTTP or by the command line."""

from dataclasses import dataclass

from application.dead_letters.browse_letters import BrowseLetters
from application.dead_letters.change_letters import ChangeLetters
from application.dead_letters.control_jobs import ControlJobs
from application.dead_letters.edit_letter import EditLetter
from application.ports import AuditLog


@dataclass(frozen=True, slots=True)
class LetterUseCases:
    """The use cases of dead letters, and the log of who used them."""

    browse: BrowseLetters
    change: ChangeLetters
    edit: EditLetter
    jobs: ControlJobs
    audit_log: AuditLog
