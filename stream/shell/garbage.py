"""How often Python looks for reference cycles."""

import gc


def collect_rarely() -> None:
    """For a process that runs stages. By default Python looks after every 700 containers made, and a batch
    makes tens of thousands that are in no cycle: a fifth of the meter's time. 100,000 of them are about
    10 MB, all that a cycle can then hold on to for longer."""
    gc.set_threshold(100_000, 20, 100)
