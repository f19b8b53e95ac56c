"""Header fields as they are sent."""

from entrypoints.http.headers import Fields

_CONTROLS = bytes({*range(32), 127} - {*b"\t"})
_LINE_END = b"\r\n"


def lines_of(fields: Fields) -> bytes:
    """Render fields, each with its line's end; their names are ours. Raises `RuntimeError` for control characters."""
    lines = b"\r\n".join([*map(b": ".join, fields), b""])
    if len(lines) - len(lines.translate(None, _CONTROLS)) != len(_LINE_END) * len(fields):
        raise RuntimeError("a control character in a header of an answer")
    return lines


class CommonLines:
    """The fields of every answer, rendered when the server makes them anew, which it does for another date."""

    def __init__(self) -> None:
        self._fields: Fields = ()
        self._lines = b""

    def of(self, fields: Fields) -> bytes:
        """Render `fields` unless they are the same ones as before."""
        if fields is not self._fields:
            self._fields, self._lines = fields, lines_of(fields)
        return self._lines
