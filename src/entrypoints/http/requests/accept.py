"""Content negotiation by the `Accept` header, RFC 9110 section 12.5.1."""

import re
from collections.abc import Sequence
from typing import NamedTuple

_RANGE = re.compile(r"\s*([^\s/;,]+)/([^\s/;,]+)\s*((?:;[^,]*)?)")
_QUALITY = re.compile(r";\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE)


class _Range(NamedTuple):
    specificity: int
    quality: float


def negotiate(accept: str, offered: Sequence[str]) -> str | None:
    """Choose among `offered`, the first being preferred where the client is indifferent; None if it wants none.

    For each type the most specific range counts. Parameters other than q are ignored, as are malformed ranges.
    """
    if not accept.strip():
        return offered[0]
    ranges = [match.groups() for part in accept.lower().split(",") if (match := _RANGE.fullmatch(part))]
    qualities = {media_type: _quality(media_type, ranges) for media_type in offered}
    # max() keeps the first of equals.
    best = max(offered, key=qualities.__getitem__)
    return best if qualities[best] > 0 else None


def _quality(media_type: str, ranges: Sequence[tuple[str, ...]]) -> float:
    main, sub = media_type.split("/")
    fitting = [
        _Range((wanted_main != "*") + (wanted_sub != "*"), _q(parameters))
        for wanted_main, wanted_sub, parameters in ranges
        if (wanted_main, wanted_sub) in {(main, sub), (main, "*"), ("*", "*")}
    ]
    return max(fitting, default=_Range(0, 0)).quality


def _q(parameters: str) -> float:
    if (stated := _QUALITY.search(parameters)) is None:
        return 1.0
    return float(stated[1])
