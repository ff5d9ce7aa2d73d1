"""The crash points of the Kafka shell; see `stream.shell.crash`."""

from typing import Final

from stream.shell.crash import STATUS, due, passed

__all__ = ["COMMIT", "NOTIFY", "OWN", "REVOKE", "STATUS", "due", "passed"]

# In the order in which a stage passes them; `notify` stands for every destination.
OWN: Final = ("before-fence", "after-fence", "after-restore", "after-own")
COMMIT: Final = (
    "before-begin",
    "inside-outputs",
    "after-outputs",
    "inside-state",
    "after-state",
    "after-offsets",
    "after-commit",
)
REVOKE: Final = ("before-revoke", "inside-revoke", "after-revoke")
NOTIFY: Final = ("after-own", "before-deliver", "after-deliver", "after-commit", "before-revoke")
