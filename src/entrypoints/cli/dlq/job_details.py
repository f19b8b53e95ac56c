"""Everything about one job, for people."""

import json
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table

from application.dead_letters.jobs import ItemState, Job, JobFailure, JobGroup, JobInFull
from application.dead_letters.orders import Action, Order
from entrypoints.cli.dlq.following import done
from entrypoints.cli.dlq.screen import NOTHING, cells, clean, heading, moment, pairs, print_all, table


def print_job(found: JobInFull) -> None:
    """Print a job with its outcomes."""
    print_all(*_parts(found))


def _parts(found: JobInFull) -> Iterator[RenderableType]:
    job = found.job
    yield heading(f"Job {job.id}: {job.order.action}, {job.state}")
    yield pairs(_summary(job))
    if found.groups:
        yield heading("\nOutcomes by cause")
        yield _outcomes(found.groups)
    if found.failures:
        yield heading("\nLatest failures")
        yield _failures(found.failures)


def _summary(job: Job) -> Iterator[tuple[str, object]]:
    if job.why:
        yield "why", job.why
    counts = ", ".join(f"{count:,} {state}" for state in ItemState if (count := job.counts.get(state, 0)))
    yield "letters", f"{done(job):,} of {job.letters:,} done{f' ({counts})' if counts else ''}"
    yield "chosen by", json.dumps(job.wanted, ensure_ascii=False) if job.wanted else "all dead letters"
    if job.order.action is Action.REPLAY:
        yield "terms", ", ".join(_terms(job.order))
    yield "ordered", f"{moment(job.created_at)} by {job.who}"
    yield "reason", job.order.reason
    yield "started", moment(job.started_at)
    yield "ended", moment(job.ended_at)
    if job.rate is not None:
        yield "rate", f"{job.rate:,.1f} a second"


def _terms(order: Order) -> Iterator[str]:
    yield f"at most {order.max_replays} replays a letter"
    if order.canary:
        yield f"canary of {order.canary:,}"
    if order.rate_per_second is not None:
        yield f"at most {order.rate_per_second:g} a second"
    if order.new_event_id:
        yield "conflicts get new event ids"


def _outcomes(groups: Sequence[JobGroup]) -> Table:
    states = [state for state in ItemState if any(group.counts.get(state) for group in groups)]
    names = [state.upper() for state in states]
    outcomes = table("CAUSE", *names, "", numbers=names)
    for group in groups:
        outcomes.add_row(*cells(group.fingerprint, *(group.counts.get(state, 0) for state in states), " "))
    return outcomes


def _failures(failures: Sequence[JobFailure]) -> Table:
    listed = table("ID", "REASON", folded=("ID", "REASON"))
    for letter_id, reason in failures:
        listed.add_row(clean(letter_id), clean(reason or NOTHING))
    return listed
