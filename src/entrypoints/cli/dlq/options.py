"""The options that subcommands of `user-events dlq` share; those that choose dead letters are the same for all."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from application.dead_letters.letters import UNKNOWN, LetterFilter, LetterState
from domain.dead_letter import FailureKind
from domain.payload_schema import one_line
from domain.times import parse_time

KINDS = (*FailureKind, UNKNOWN)


def parse_moment(text: str) -> datetime:
    """Read a time. Raises `typer.BadParameter`."""
    try:
        return parse_time(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}") from None


def parse_text(text: str) -> str:
    """Read a text. Raises `typer.BadParameter` where the terminal sent bytes that are none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("must be UTF-8") from None
    return text


def _parse_kind(text: str) -> str:
    if text not in KINDS:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(KINDS)}")
    return text


def _completing(words: Iterable[str]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


Kind = Annotated[
    str | None,
    typer.Option(
        parser=_parse_kind, metavar="KIND", autocompletion=_completing(KINDS), help=f"One of: {', '.join(KINDS)}."
    ),
]
Since = Annotated[
    datetime | None,
    typer.Option("--from", parser=parse_moment, metavar="TIME", help="Last failed at or after, 2026-11-22T12:00Z."),
]
Until = Annotated[datetime | None, typer.Option("--to", parser=parse_moment, metavar="TIME", help="… and before.")]


Ids = Annotated[
    list[str] | None, typer.Option("--id", parser=parse_text, metavar="ID", help="This letter; may be repeated.")
]
Fingerprint = Annotated[
    str | None, typer.Option(parser=parse_text, metavar="CAUSE", help="One cause, as `groups` prints it.")
]
User = Annotated[str | None, typer.Option("--user", parser=parse_text, metavar="ID", help="The event's user.")]
Type = Annotated[str | None, typer.Option("--type", parser=parse_text, metavar="TYPE", help="The event's type.")]
ErrorClass = Annotated[str | None, typer.Option(parser=parse_text, metavar="CLASS", help="The error's class.")]

LetterId = Annotated[str, typer.Argument(parser=parse_text, metavar="ID", help="The letter's id, as `list` prints it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsLines = Annotated[bool, typer.Option("--json", help="Print JSON, one letter a line.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")]
Follow = Annotated[bool, typer.Option("--follow", help="Wait until it ends; exit code 1 unless all went well.")]
Reason = Annotated[str | None, typer.Option(parser=one_line, metavar="TEXT", help="Why, for the audit log.")]
MaxReplays = Annotated[
    int, typer.Option(min=1, max=1_000, metavar="N", help="Skip letters that were replayed so often.")
]
Canary = Annotated[
    int, typer.Option(min=0, max=1_000_000, metavar="N", help="Replay N first, and halt unless all of them end stored.")
]
NewValue = Annotated[
    Path | None,
    typer.Option("--file", metavar="PATH", help="The new value; - is stdin. Default: opens $VISUAL or $EDITOR."),
]
NewEventId = Annotated[bool, typer.Option("--new-event-id", help="Replay conflicts too, as events with new ids.")]
Rate = Annotated[float | None, typer.Option(min=0.01, max=1_000_000, metavar="N", help="Most letters a second.")]


def _filter(
    *,
    ids: Ids = None,
    state: Annotated[LetterState | None, typer.Option(help="What became of it.")] = None,
    kind: Kind = None,
    fingerprint: Fingerprint = None,
    user_id: User = None,
    event_type: Type = None,
    event_id: Annotated[UUID | None, typer.Option(metavar="UUID", help="The event's id.")] = None,
    error_class: ErrorClass = None,
    since: Since = None,
    until: Until = None,
) -> LetterFilter:
    """Make the filter of the options; a letter has to match them all."""
    if since is not None and until is not None and since > until:
        raise typer.BadParameter("--from must not be later than --to")
    return LetterFilter(
        tuple(ids) if ids else None, state, kind, fingerprint, user_id, event_type, event_id, error_class, since, until
    )


def _filter_or_all(
    *, everything: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False, **given: object
) -> LetterFilter:
    """Make the filter of a change, which needs an option of the filter or `--all`, not both."""
    make: Callable[..., LetterFilter] = _filter
    wanted = make(**given)
    if everything == (wanted != LetterFilter()):
        raise typer.BadParameter("choose dead letters by --id, --state, --kind, …, or all of them by --all")
    return wanted


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the filter; it receives what they make as `wanted`."""
    return _with_options(command, _filter, _parameters(_filter))


def choosing_or_all(command: Callable[..., None]) -> Callable[..., None]:
    """Do the same for a change, which is refused with neither an option of the filter nor `--all`."""
    return _with_options(command, _filter_or_all, [*_parameters(_filter), *_parameters(_filter_or_all)])


def _parameters(function: Callable[..., object]) -> list[Parameter]:
    return [each for each in signature(function).parameters.values() if each.kind is Parameter.KEYWORD_ONLY]


def _with_options(
    command: Callable[..., None], make: Callable[..., LetterFilter], options: Sequence[Parameter]
) -> Callable[..., None]:
    names = [option.name for option in options]

    @wraps(command)
    def chosen(**given: object) -> None:
        wanted = make(**{name: given.pop(name) for name in names})
        command(wanted=wanted, **given)

    own = [parameter for parameter in _parameters(command) if parameter.name != "wanted"]
    parameters = [*options, *own]
    # Typer reads both.
    vars(chosen)["__signature__"] = Signature(parameters)
    chosen.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return chosen
