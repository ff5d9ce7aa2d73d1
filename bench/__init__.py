"""What burnline's speed is measured with: `python -m bench --help`. Results: docs/performance.md."""
