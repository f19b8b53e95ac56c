"""Rebalances as the listener sees them: it is given partitions, and gives them up for other members."""

import asyncio
from collections.abc import Callable

from adapters.postgres.event_log.claim import Claim
from adapters.postgres.event_log.membership import Membership
from application.ports import RebalanceListener


class Rebalances:
    """Tells the listener which claims of a member are new, and which ones it has to give up or has lost."""

    listener: RebalanceListener

    def __init__(self, membership: Membership, has_revoked: Callable[[], None]) -> None:
        """`has_revoked` is called whenever a partition may go to the member that waits for it."""
        self._membership = membership
        self._has_revoked = has_revoked
        self._taken_over: set[Claim] = set()
        """The claims whose partitions the listener has taken over."""
        self._revoking: dict[Claim, asyncio.Task[None]] = {}

    def taken_over(self) -> dict[int, Claim]:
        """List, by partition, the claims that stand and that the listener has taken over."""
        return {claim.partition: claim for claim in self._taken_over if self._membership.holds(claim)}

    def readable(self) -> dict[int, Claim]:
        """List those of them that no other member waits for."""
        return {
            partition: claim
            for partition, claim in self.taken_over().items()
            if claim.leaving_since is None and claim not in self._revoking
        }

    async def update(self) -> None:
        """Tell the listener which claims are new, and which ones are gone."""
        claims = set(self._membership.claims.values())
        lost = self._taken_over - claims
        self._taken_over -= lost
        if lost:
            await self.listener.on_lost([claim.partition for claim in lost])
        if new := {claim for claim in claims - self._taken_over if claim.leaving_since is None}:
            for claim in new:
                claim.is_in_use = True
            try:
                await self.listener.on_assigned({claim.partition: claim.committed for claim in new})
            except BaseException:
                for claim in new:
                    claim.is_in_use = False
                raise
            self._taken_over |= new

    def revoke_what_is_leaving(self) -> None:
        """Have the listener finish with the partitions that another member waits for."""
        for claim in self.taken_over().values():
            if claim.leaving_since is not None and claim not in self._revoking:
                self._revoking[claim] = asyncio.create_task(self._revoke(claim))

    async def _revoke(self, claim: Claim) -> None:
        await self.listener.on_revoked([claim.partition])
        self._taken_over.discard(claim)
        # It may stay after all, and is assigned anew then.
        claim.position = claim.committed
        claim.is_in_use = False
        del self._revoking[claim]
        self._has_revoked()

    async def close(self) -> None:
        """Have the listener finish with all partitions."""
        await asyncio.gather(*self._revoking.values())
        if self._taken_over:
            await self.listener.on_revoked([claim.partition for claim in self._taken_over])
        self._taken_over.clear()
