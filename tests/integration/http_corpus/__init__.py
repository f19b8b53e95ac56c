"""Byte streams that clients may send, with the responses that RFC 9110 and RFC 9112 allow."""

from collections.abc import Mapping, Sequence

from tests.integration.http_corpus import (
    budgets,
    chunks,
    codings,
    connections,
    expectations,
    fields,
    hosts,
    lengths,
    offers,
    request_lines,
    targets,
    trailers,
)
from tests.integration.http_corpus.case import Case

CORPUS: Mapping[str, Sequence[Case]] = {
    family.__name__.rpartition(".")[2]: [*family.cases()]
    for family in (
        *(request_lines, targets, hosts, fields, lengths, codings),
        *(chunks, trailers, expectations, offers, connections, budgets),
    )
}
"""By family."""
