"""The compiled readers (`scan*.pyx`), or None where there was no C compiler to build them."""

try:
    from stream.meter.scan import Scanner
    from stream.meter.scan_columns import ColumnScanner
except ImportError:
    Scanner = None  # type: ignore[assignment, misc]
    ColumnScanner = None  # type: ignore[assignment, misc]

__all__ = ["ColumnScanner", "Scanner"]
