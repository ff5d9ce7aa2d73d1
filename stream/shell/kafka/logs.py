"""What of the libraries' logs a person should see.

aiokafka, Faust and mode log much that is normal here and alarming to read, and log in full the exceptions
that `runner.run` tells in one sentence.
"""

import logging
from typing import Final

_LEVELS: Final = {
    "aiokafka": logging.ERROR,
    "faust": logging.ERROR,
    "mode": logging.ERROR,
    # Faust's own messages, under the name of the module that derives its classes.
    "stream.shell.kafka.agents": logging.ERROR,
}

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
)


# While a broker is away, aiokafka says so some hundred times a second.
_REPEAT_S: Final = 30.0


class _Quiet(logging.Filter):
    """Drops noise, and of the libraries' other messages lets each through once in a while."""

    def __init__(self) -> None:
        super().__init__()
        self._shown_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if any(noise in message for noise in NOISE):
            return False
        if record.name.partition(".")[0] not in _LEVELS:
            return True
        template = str(record.msg)  # a few hundred at most: they are constants of the libraries' code
        if record.created < self._shown_s.get(template, 0.0) + _REPEAT_S:
            return False
        self._shown_s[template] = record.created
        return True


def quiet_libraries() -> None:
    """Show of the libraries only errors, and of those only what is one."""
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_Quiet())
