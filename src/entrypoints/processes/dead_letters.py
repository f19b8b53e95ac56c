"""What a person works with on dead letters, by the command line or by HTTP."""

from dataclasses import dataclass

from application.dead_letters.browse_letters import BrowseLetters
from application.dead_letters.change_letters import ChangeLetters
from application.dead_letters.control_jobs import ControlJobs
from application.dead_letters.edit_letter import EditLetter
from application.dead_letters.rebuild_index import RebuildIndex
from application.ports import AuditLog


@dataclass(frozen=True, slots=True)
class DeadLetterTools:
    """The use cases, and the log of who has used them."""

    browse: BrowseLetters
    change: ChangeLetters
    edit: EditLetter
    jobs: ControlJobs
    rebuild: RebuildIndex
    audit_log: AuditLog
