"""Checks the outcome of a case."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.integration.http_corpus.case import Case, End
from tests.support.raw_http import Answer, read_answers

PROBE = b"GET /health HTTP/1.1\r\nX-Request-ID: !\r\nHost: api\r\nConnection: close\r\n\r\n"
"""Sent behind a case, to see whether the connection still responds."""

_MADE_ID_CHARS = 32


@dataclass(frozen=True)
class Outcome:
    """The behaviour of the server."""

    sent: bytes
    ended: bool
    published: int
    """The number of events."""


def judge(case: Case, outcome: Outcome, *, is_probed: bool) -> list[int]:
    """Raise `AssertionError` unless each request was answered once and in order, as far as the connection went.

    `PROBE` came behind the case, or the end of the client's side did. Returns the statuses of the case's own answers.
    """
    assert outcome.ended or (case.end is End.WAITS and is_probed), "the connection goes on"
    answers = read_answers(outcome.sent, ended=outcome.ended, heads=case.heads)
    finals = [answer for answer in answers if answer.is_final]
    statuses = [answer.status for answer in finals]
    own, more = finals[: len(case.answers)], finals[len(case.answers) :]
    assert len(own) == len(case.answers), f"{statuses}: {len(case.answers)} answers expected"
    for answer, allowed, request_id in zip(own, case.answers, case.ids, strict=True):
        assert answer.status in allowed, f"{statuses}: {answer.status} is none of {sorted(allowed)}"
        _check_form(answer, request_id)
    _check_rest(case, more, is_probed=is_probed)
    _check_interim(case, answers)
    created = statuses.count(201)
    assert outcome.published == created, f"{statuses}: {outcome.published} published"
    if case.end is End.CLOSES and not case.is_early and finals:
        assert finals[-1].is_last, f"{statuses}: the last answer does not say so"
    return statuses[: len(case.answers)]


def _check_form(answer: Answer, request_id: str) -> None:
    told = answer.fields.get("x-request-id", "")
    is_unread = answer.status >= 400 and len(told) == _MADE_ID_CHARS
    assert told == request_id or is_unread, f"a {answer.status} to {told!r} in place of {request_id!r}"
    assert "date" in answer.fields, f"a {answer.status} without a date"
    if answer.content and answer.status >= 400:
        assert answer.fields["content-type"] == "application/problem+json", f"a {answer.status} that is no problem"


def _check_rest(case: Case, more: Sequence[Answer], *, is_probed: bool) -> None:
    statuses = [answer.status for answer in more]
    if case.end is End.WAITS:
        # Half a request may be refused for its size or its path, and when its sender ends.
        possible = {413} | ({404} if case.is_early else set()) | (set() if is_probed else {400, 408})
        assert possible.issuperset(statuses[:1]), f"half a request is answered with {statuses}"
        assert len(more) <= 1, f"half a request is answered with {statuses}"
        return
    answers_probe = [answer.fields.get("x-request-id") for answer in more] == ["!"] and statuses == [200]
    if is_probed and case.end is End.GOES_ON:
        assert answers_probe, f"the next request is answered with {statuses}"
    else:
        assert not more or (is_probed and case.end is End.EITHER and answers_probe), f"more answers: {statuses}"


def _check_interim(case: Case, answers: Sequence[Answer]) -> None:
    interim = [answer.status for answer in answers if not answer.is_final]
    asked = case.stream.lower().count(b"100-continue")
    assert interim in [[100] * count for count in range(asked + 1)], f"interim answers {interim}"
    if b" HTTP/1.0\r\n" in case.stream:
        assert not interim, "an interim answer to HTTP/1.0"
        assert "chunked" not in {answer.framing for answer in answers[:1]}, "chunks to HTTP/1.0"
