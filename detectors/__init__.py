"""Detectors: what tells runaway spend from spend. The contract is in `detectors.contract`."""

from detectors.checks import check

__all__ = ["check"]
