"""The first letters of a replay, which have to succeed before the others follow."""

from enum import Enum, auto

from application.dead_letters.jobs import ItemState, Job, JobInFull


class CanaryOutcome(Enum):
    """What became of the canary."""

    OPEN = auto()
    """Not all of its outcomes are known."""
    PASSED = auto()
    FAILED = auto()


def unsent(job: Job) -> int:
    """Count the letters of the canary that are not published yet."""
    return max(0, min(job.order.canary, job.letters) - _published(job))


def outcome(job: Job) -> CanaryOutcome:
    """Judge the canary by the job's counts alone, so that any worker can, whoever published it."""
    canary = min(job.order.canary, job.letters)
    # What is behind the canary is published only once that has passed.
    if _published(job) > canary or job.counts.get(ItemState.STORED, 0) >= canary:
        return CanaryOutcome.PASSED
    return CanaryOutcome.FAILED if job.counts.get(ItemState.DEAD, 0) else CanaryOutcome.OPEN


def why_failed(job: JobInFull) -> str:
    """Say which letter of the canary failed, and why."""
    failure = next(iter(job.failures), None)
    what = "a letter failed again" if failure is None else f"{failure.letter_id} failed again: {failure.reason}"
    return f"canary of {job.job.order.canary}: {what}"


def _published(job: Job) -> int:
    return sum(job.counts.get(state, 0) for state in (ItemState.REPLAYED, ItemState.STORED, ItemState.DEAD))
