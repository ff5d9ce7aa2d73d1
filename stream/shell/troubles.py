"""Says in the log which detectors fail: a stage only counts it, and the metrics have no words."""

import logging
from collections.abc import Mapping
from typing import Final

from stream.burn.signals import Failure

_log: Final = logging.getLogger(__name__)
_MOST: Final = 5  # different sentences a detector: one that fails otherwise each time must not fill the disk


class Troubles:
    """What has been said of the detectors of one process."""

    def __init__(self) -> None:
        self._said: dict[str, set[str]] = {}

    def tell(self, failures: Mapping[str, Failure]) -> None:
        """Say what is new."""
        for name, failure in failures.items():
            said = self._said.setdefault(name, set())
            if failure.count and failure.sentence not in said and len(said) < _MOST:
                said.add(failure.sentence)
                _log.error("detector %s %s; the others go on: mend it, or switch it off with "
                           "detectors.%s.enabled: false", name, failure.sentence, name)  # fmt: skip
