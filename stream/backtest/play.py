"""A history through the real stages: what the configured thresholds tell, and what each other would."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from stream.backtest.course import Course
from stream.backtest.grain import Grain
from stream.backtest.sweep import Sweep
from stream.collect.reader import Item, UsageMessage
from stream.config import Config
from stream.schema.alerts import Alert
from stream.scopes import BILLING
from stream.shell.embedded.node import Node
from stream.shell.embedded.replay import Replay
from stream.shell.embedded.unkept import Unkept


class Backtest(Node):
    """An embedded node that keeps nothing, commits by the clock of the history, and has other thresholds
    beside its own. It tells what any node would that had got the same records at the same times."""

    def __init__(self, config: Config, scales: Iterable[float]) -> None:
        self.store: Final = Unkept()
        super().__init__(config, self.store)
        self.sweep = Sweep(config, self.burn, self.alerts, self.store, scales)
        self.told: list[Alert] = []
        self.grain = Grain()
        self.course = Course()
        self.burn.listeners.append(self.course)
        self._first_ms = -1
        self._player = Replay(self, clock=None)

    @property
    def empty(self) -> bool:
        """Whether nothing came that could be read."""
        return self._first_ms < 0

    @property
    def begun_s(self) -> int:
        """When the first row began; where that can't be told, when it came."""
        return self._first_ms // 1000 if self.grain.first_s is None else self.grain.first_s

    @property
    def now_ms(self) -> int:
        """Up to when it has played."""
        return self._player.now_ms

    @property
    def scopes(self) -> int:
        """How many scopes are watched; those of reconciliation alone are not."""
        return sum(not name.startswith(f"{BILLING}=") for name in self.burn.windows.scope_names)

    @property
    def day(self) -> str:
        """What day it has come to, for people who wait."""
        return f"{datetime.fromtimestamp(self.now_ms / 1000, UTC):%Y-%m-%d}" if self.now_ms else "reading"

    def commit(self, now_ms: int) -> list[Alert]:
        told = super().commit(now_ms)
        self.told += told
        self.sweep.commit(now_ms, told)
        return told

    def play(self, name: str, item: Item) -> None:
        """Take one item of the file `name`."""
        if isinstance(item, UsageMessage):
            self.grain.see(item.value)
            if self._first_ms < 0:
                self._first_ms = item.timestamp_ms
        for _ in self._player.feed(name, [item]):
            pass  # `commit` keeps them

    def close(self) -> None:
        """Judge what came last."""
        self._player.commit()
