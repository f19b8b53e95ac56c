"""Jobs as JSON."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from adapters.records.codec import render_time
from application.dead_letters.jobs import ItemState, Job, JobInFull, JobState
from application.dead_letters.orders import Action
from entrypoints.http.routes.dead_letters.rows import time

_encoder = msgspec.json.Encoder()


class _JobRow(msgspec.Struct, rename="camel"):
    id: UUID
    action: Action
    state: JobState
    why: str | None
    who: str
    reason: str
    filter: Mapping[str, object]
    letters: int
    counts: Mapping[ItemState, int]
    created_at: str
    started_at: str | None
    ended_at: str | None
    rate: float | None
    canary: int
    rate_per_second: float | None
    max_replays: int
    new_event_id: bool


class _GroupRow(msgspec.Struct):
    fingerprint: str
    counts: Mapping[ItemState, int]


class _FailureRow(msgspec.Struct, rename="camel"):
    letter_id: str
    reason: str


class _FullRow(_JobRow, rename="camel"):
    groups: Sequence[_GroupRow]
    failures: Sequence[_FailureRow]


def to_json(job: Job) -> bytes:
    """Render one job."""
    return _encoder.encode(_row(job))


def list_to_json(jobs: Sequence[Job]) -> bytes:
    """Render a page."""
    return _encoder.encode([*map(_row, jobs)])


def full_to_json(found: JobInFull) -> bytes:
    """Render one job with its outcomes."""
    row = _FullRow(
        **msgspec.structs.asdict(_row(found.job)),
        groups=[_GroupRow(group.fingerprint, _all_counts(group.counts)) for group in found.groups],
        failures=[_FailureRow(failure.letter_id, failure.reason) for failure in found.failures],
    )
    return _encoder.encode(row)


def _row(job: Job) -> _JobRow:
    return _JobRow(
        id=job.id,
        action=job.order.action,
        state=job.state,
        why=job.why,
        who=job.who,
        reason=job.order.reason,
        filter=job.wanted,
        letters=job.letters,
        counts=_all_counts(job.counts),
        created_at=render_time(job.created_at),
        started_at=time(job.started_at),
        ended_at=time(job.ended_at),
        rate=job.rate,
        canary=job.order.canary,
        rate_per_second=job.order.rate_per_second,
        max_replays=job.order.max_replays,
        new_event_id=job.order.new_event_id,
    )


def _all_counts(counts: Mapping[ItemState, int]) -> Mapping[ItemState, int]:
    return {state: counts.get(state, 0) for state in ItemState}
