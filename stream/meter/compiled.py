"""The compiled readers (`scan*.pyx`), or None where there was no C compiler to build them."""

from typing import Final

from stream.config import Meter as Limits

try:
    from stream.meter.scan import Scanner
    from stream.meter.scan_columns import ColumnScanner
except ImportError:
    Scanner = None  # type: ignore[assignment, misc]
    ColumnScanner = None  # type: ignore[assignment, misc]

COMPILED: Final = Scanner is not None

__all__ = ["COMPILED", "ColumnScanner", "Scanner", "reader"]


def reader(limits: Limits) -> str:
    """Which of both reads messages, for a person."""
    if not limits.compiled:
        return "Python, since meter.compiled is false"
    if not COMPILED:
        return "Python, which is slower: install a C compiler and burnline again for the compiled one"
    return "compiled"
