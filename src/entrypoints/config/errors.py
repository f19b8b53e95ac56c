"""Errors that a person has to fix: the command line prints them without a traceback."""


class UsageError(Exception):
    """The command was called or configured wrongly; one line a problem. The exit code is 2."""


class SettingsError(UsageError):
    """The environment is wrong; `problems` has one line for each variable at fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class CannotRun(Exception):
    """The process cannot start or go on; the message is one line that says why. The exit code is 1."""
