"""`spend` records say on the other side what was put in."""

import numpy as np

from stream.schema import spend
from stream.schema.spend import DRIVER, WIDTHS_S, Name, Rows, Spend


def test_every_bucket_width_survives_the_wire() -> None:
    """3600 does not fit in a byte: money older than a day would land in no ring."""
    ones = np.ones(len(WIDTHS_S), np.int64)
    name = Name("total", "pod_hours", DRIVER)
    rows = Rows([name], 0 * ones, np.array(WIDTHS_S), ones, ones, np.ones(3), ones)
    read = spend.decode(spend.encode(Spend(0, 0, 1, 1, 1, rows)))
    assert tuple(read.rows.width) == WIDTHS_S
