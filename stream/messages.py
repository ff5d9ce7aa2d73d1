"""Messages that stay where they arrived."""

from array import array
from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np


class Messages(Sequence[bytes]):
    """Messages within one buffer, as their places and sizes in bytes. One becomes an object of its own only
    when it is asked for."""

    __slots__ = ("begins", "buffer", "sizes")

    def __init__(self, buffer: bytes, begins: "array[int]", sizes: "array[int]") -> None:
        self.buffer = buffer
        self.begins = begins
        self.sizes = sizes

    @classmethod
    def joined(cls, parts: "Sequence[Messages]") -> "Messages":
        """Messages of several buffers, in one."""
        begins, sizes = array("q"), array("q")
        before = 0
        for part in parts:
            begins.frombytes((np.frombuffer(part.begins, np.int64) + before).tobytes())
            sizes.extend(part.sizes)
            before += len(part.buffer)
        return cls(b"".join(part.buffer for part in parts), begins, sizes)

    def __len__(self) -> int:
        return len(self.begins)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> "Messages": ...
    def __getitem__(self, index: int | slice) -> "bytes | Messages":
        if isinstance(index, slice):
            return Messages(self.buffer, self.begins[index], self.sizes[index])
        begin = self.begins[index]
        return self.buffer[begin : begin + self.sizes[index]]

    def __iter__(self) -> Iterator[bytes]:
        return map(self.__getitem__, range(len(self.begins)))
