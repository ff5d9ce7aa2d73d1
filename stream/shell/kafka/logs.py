"""What of the libraries' logs a person should see.

aiokafka, Faust and mode log much that is normal here and alarming to read, and log in full the exceptions
that `runner.run` tells in one sentence.
"""

import logging
from typing import Final

_LEVELS: Final = {"aiokafka": logging.ERROR, "faust": logging.ERROR, "mode": logging.ERROR}

# Each is a part of a message that says nothing is wrong, or what is told elsewhere.
NOISE: Final = (
    # Kafka 4 checks at the first produce of a transaction that the partition is in it, and gives old
    # protocol versions this retriable code meanwhile.
    "NotEnoughReplicas",
    # A coordinator that is just starting, also at the very first group of a cluster. It is asked again.
    "GroupCoordinatorNotAvailableError",
    # The process's last sentence says it.
    "Crashed reason=",
    "Unexpected error in sender routine",
    # Faust's consumer thread, when the process ends after a crash.
    "Event loop is closed",
    # A resumed zombie; its next commit is refused and ends the process.
    "Thread keepalive is not responding",
)


class _Quiet(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return not any(noise in message for noise in NOISE)


def quiet_libraries() -> None:
    """Show of the libraries only errors, and of those only what is one."""
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_Quiet())
