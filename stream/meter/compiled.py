"""The compiled reader (`scan.pyx`), or None where there was no C compiler to build it."""

try:
    from stream.meter.scan import Scanner
except ImportError:
    Scanner = None  # type: ignore[assignment, misc]

__all__ = ["Scanner"]
