"""Dead letters for operators: look at them, mend them, replay, discard and restore them."""

from entrypoints.http.routes.audit_log import list_entries
from entrypoints.http.routes.dead_letters.changes import discard, restore
from entrypoints.http.routes.dead_letters.letter import VALUE_TYPES, get_letter, value_of_letter
from entrypoints.http.routes.dead_letters.listing import export, list_groups, list_letters
from entrypoints.http.routes.dead_letters.replays import cancel, get_job, jobs, pause, resume

__all__ = ["LETTER_ROUTES", "VALUE_TYPES"]

LETTER_ROUTES = (
    list_letters,
    list_groups,
    export,
    get_letter,
    value_of_letter,
    jobs,
    get_job,
    pause,
    resume,
    cancel,
    discard,
    restore,
    list_entries,
)
