"""Kafka's own encodings, for what no client hands out."""

import struct


class Encoded:
    """Reads one value after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, layout: str) -> int:
        """Read a number of the given layout, in the letters of `struct`."""
        (value,) = struct.unpack_from(f">{layout}", self._data, self._at)
        self._at += struct.calcsize(f">{layout}")
        return int(value)

    def varint(self) -> int:
        """Read a number of as many bytes as it needs, seven bits each."""
        value = shift = 0
        while True:
            byte = self.number("B")
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self) -> str:
        """Read a text as versions have it that are not flexible."""
        return self.take(self.number("h")).decode()

    def compact_text(self) -> str:
        """Read a text as flexible versions have it."""
        return self.take(self.varint() - 1).decode()

    def take(self, size: int) -> bytes:
        """Read so many bytes."""
        self._at += size
        return self._data[self._at - size : self._at]

    def tags(self) -> dict[int, "Encoded"]:
        """Read the optional fields of a flexible version, by number."""
        return {self.varint(): Encoded(self.take(self.varint())) for _ in range(self.varint())}
