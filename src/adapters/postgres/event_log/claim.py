"""The partitions that a member of a group holds, and which of them it gives up first."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Claim:
    """One partition that this member holds; once lost and regained it is another claim."""

    partition: int
    partition_id: int
    epoch: int
    committed: int
    position: int
    """The next offset to read; beyond `committed` while records are in flight."""
    turn: int = 0
    """When it was last read from: the least goes first."""
    leaving_since: float | None = None
    """Since when another member waits for it, by the loop's clock."""
    is_in_use: bool = False
    """Whether records of it may be in flight."""


def give_way(claims: Iterable[Claim], surplus: int, now: float, hand_over: float) -> list[Claim]:
    """Choose `surplus` claims to part with; answer those that nothing holds up any more.

    `now`: the loop's time. `hand_over`: after how many seconds a partition has to go although it is in use.
    """
    # Those chosen before, then those with nothing in flight.
    ranked = sorted(claims, key=lambda claim: (claim.leaving_since is None, claim.position > claim.committed))
    for place, claim in enumerate(ranked):
        claim.leaving_since = None if place >= surplus else claim.leaving_since or now
    return [
        claim for claim in ranked[:surplus] if not claim.is_in_use or now - (claim.leaving_since or now) >= hand_over
    ]
