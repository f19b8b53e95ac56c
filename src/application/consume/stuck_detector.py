"""Notice a consumer that lives but does nothing, so that its supervisor can start another."""

from collections.abc import Callable
from typing import NamedTuple


class Pulse(NamedTuple):
    """What a consumer has done so far; each count only grows."""

    turns: int
    """How often its loop came round, even if only to find nothing; 0 before it has begun."""
    deeds: int
    """How often the store was asked, and how many records were committed."""


class StuckDetector:
    """Compares a consumer's pulse with the one before. `clock` tells seconds, from any beginning."""

    def __init__(self, limit: float, clock: Callable[[], float]) -> None:
        """`limit`: for how many seconds a consumer may do nothing although it could."""
        self._limit = limit
        self._clock = clock
        self._last = Pulse(0, 0)
        self._turned_at = self._did_at = clock()

    def look(self, pulse: Pulse, lag: int | None) -> str | None:
        """Tell what is wrong, or None; to be called again and again.

        `lag` counts the records that could be worked on; None where nobody can tell, as in an outage.
        """
        now = self._clock()
        if pulse != self._last or pulse.turns == 0:
            self._turned_at = now
        if pulse.deeds != self._last.deeds or not lag:
            self._did_at = now
        self._last = pulse
        if now - self._turned_at >= self._limit:
            return f"the loop has not come round for {now - self._turned_at:.0f} s"
        if now - self._did_at >= self._limit:
            return f"nothing was done for {now - self._did_at:.0f} s although {lag} records wait"
        return None
