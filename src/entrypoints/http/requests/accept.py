"""Content negotiation by `Accept` and `Accept-Encoding` (RFC 9110, sections 12.5.1 and 12.5.3)."""

import re
from collections.abc import Sequence
from typing import Any

from litestar import Request

_RANGE = re.compile(r"\s*([^\s/;,]+)/([^\s/;,]+)\s*((?:;[^,]*)?)")
_QUALITY = re.compile(r";\s*q\s*=\s*(0?\.[0-9]{1,3}|0\.?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE)
"""RFC 9110 requires a zero before the decimal point; some clients omit it."""

_MIN_QUALITY = 0.001
_MAX_ELEMENTS = 64
"""Per header; the rest is ignored, because comparing all of them would take too long."""


def all_values(request: Request[Any, Any, Any], name: str) -> str:
    """Join the values of a repeated header."""
    return ",".join(request.headers.getall(name, []))


def negotiate(accept: str, offered: Sequence[str]) -> str | None:
    """Choose from `offered`, the earliest of those that the client prefers equally; None if it accepts none.

    The most specific range decides for each type. Malformed ranges and parameters other than `q` are ignored.
    """
    if not accept.strip():
        return offered[0]
    ranges = [match.groups() for part in _elements(accept) if (match := _RANGE.fullmatch(part))]
    qualities = {media_type: _quality(media_type, ranges) for media_type in offered}
    # max() keeps the first of equals.
    best = max(offered, key=qualities.__getitem__)
    return best if qualities[best] > 0 else None


def negotiate_coding(accept_encoding: str, offered: Sequence[str]) -> str | None:
    """Choose a coding from `offered` in the same way; None for no coding, also if the client accepts none."""
    weights = {}
    for part in _elements(accept_encoding):
        coding, semicolon, parameters = part.partition(";")
        weights[coding.strip()] = _q(semicolon + parameters)
    qualities = {coding: weights.get(coding, weights.get("*", 0.0)) for coding in offered}
    best = max(offered, key=qualities.__getitem__)
    return best if qualities[best] >= max(weights.get("identity", 0.0), _MIN_QUALITY) else None


def _elements(header: str) -> list[str]:
    return header.lower().split(",", _MAX_ELEMENTS)[:_MAX_ELEMENTS]


def _quality(media_type: str, ranges: Sequence[tuple[str, ...]]) -> float:
    main, sub = media_type.split("/")
    by_specificity = [
        ((wanted_main != "*") + (wanted_sub != "*"), _q(parameters))
        for wanted_main, wanted_sub, parameters in ranges
        if (wanted_main, wanted_sub) in {(main, sub), (main, "*"), ("*", "*")}
    ]
    _, quality = max(by_specificity, default=(0, 0.0))
    return quality


def _q(parameters: str) -> float:
    stated = _QUALITY.search(parameters)
    return float(stated[1]) if stated else 1.0
