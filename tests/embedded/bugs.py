"""The `burnline` command with a bug planted in it, to show that the tests of crashes see it.

python -m tests.embedded.bugs commit-skipped run -c burnline.yaml
"""

import sys
from typing import Any

from stream.cli.main import main
from stream.notify.delivery import Deliverer
from stream.schema.alerts import Alert
from stream.shell.embedded.database import Database
from stream.shell.embedded.notify import Notifier
from stream.shell.embedded.service import Service


def none() -> None:
    """The command as it is."""


def commit_skipped() -> None:
    def commit(self: Database) -> None:
        self._execute("ROLLBACK")
        self._execute("BEGIN IMMEDIATE")

    Database.commit = commit  # type: ignore[method-assign]


def commit_in_halves() -> None:
    """Outputs and state are durable each by itself."""
    write_state = Database.write_state

    def halved(self: Database, *arguments: Any) -> None:
        write_state(self, *arguments)
        self.commit()

    Database.write_state = halved  # type: ignore[method-assign, assignment]


def positions_not_stored() -> None:
    Database.move = lambda *_: None  # type: ignore[method-assign]


def confirmed_too_early() -> None:
    async def durable(self: Service, topic: str, key: bytes | None, values: list[bytes]) -> None:
        self._waiting.append((topic, key, values, _Answered()))  # type: ignore[arg-type]

    Service._durable = durable  # type: ignore[method-assign]


class _Answered:
    def done(self) -> bool:
        return True


def moved_before_delivery() -> None:
    deliver = Deliverer.deliver

    async def late(self: Deliverer, alert: Alert) -> None:
        notifier = _RUNNING[0]
        database, reader = notifier._node.database, f"notify/{self.name}"
        database.move(reader, "alerts", database.position(reader, "alerts") + 1)
        database.commit()
        await deliver(self, alert)

    def remember(self: Notifier, *arguments: Any) -> None:
        made(self, *arguments)
        _RUNNING.append(self)

    made = Notifier.__init__
    Notifier.__init__ = remember  # type: ignore[method-assign, assignment]
    Deliverer.deliver = late  # type: ignore[method-assign]


_RUNNING: list[Notifier] = []

if __name__ == "__main__":
    globals()[sys.argv.pop(1).replace("-", "_")]()
    main()
