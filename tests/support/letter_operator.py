"""An operator of dead letters: what is done is the same through HTTP and on the command line."""

from abc import ABC, abstractmethod
from typing import Any

Json = dict[str, Any]


class Operator(ABC):
    """Looks at dead letters and changes them; `chosen` and `terms` have the names of the HTTP API."""

    @property
    @abstractmethod
    def who(self) -> str:
        """The operator's name in the audit log."""

    @abstractmethod
    async def groups(self) -> list[Json]:
        """All letters by cause."""

    @abstractmethod
    async def letters(self) -> bytes:
        """All letters as a list has them."""

    @abstractmethod
    async def export(self) -> bytes:
        """All letters in full, a line each."""

    @abstractmethod
    async def show(self, letter_id: str) -> bytes:
        """One letter in full."""

    @abstractmethod
    async def preview(self, action: str, chosen: Json, **terms: object) -> Json:
        """What a dry run tells."""

    @abstractmethod
    async def change(self, action: str, chosen: Json, reason: str, **terms: object) -> Json:
        """Do it to as many letters as a dry run counts; return the job, or how many were `changed`."""

    @abstractmethod
    async def replay(self, chosen: Json, reason: str, **terms: object) -> Json:
        """Replay letters that can be stored, and return the job once it has ended."""

    @abstractmethod
    async def edit(self, letter_id: str, value: bytes, reason: str) -> list[Json]:
        """Give a letter a value; return what differs."""

    @abstractmethod
    async def refused(self, letter_id: str, value: bytes) -> str:
        """Give a letter a value that is no event; return why it is refused."""

    @abstractmethod
    async def control(self, job_id: str, command: str, reason: str) -> Json:
        """Pause, resume or cancel a job."""

    @abstractmethod
    async def job(self, job_id: str) -> Json:
        """Show a job."""

    @abstractmethod
    async def follow(self, job_id: str, *, ends_well: bool = True) -> Json:
        """Wait until a job has ended or halted; return it."""

    @abstractmethod
    async def audit_log(self) -> list[Json]:
        """All entries, newest first."""
