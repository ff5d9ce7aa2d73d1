import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Whole = tuple[Ints, Ints, Ints, Ints | None]

class ColumnScanner:
    def read(
        self, value: bytes
    ) -> tuple[str, int, int, bytes, bytes, Whole, NDArray[np.float64] | None] | None: ...
