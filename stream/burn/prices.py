"""Unit prices that have moved, told for a while."""

from collections.abc import Iterable, Iterator

from detectors import price_change
from detectors.price_change import PriceChange
from stream.burn import blind
from stream.schema import prices as wire
from stream.schema import windows as schema
from stream.schema.prices import Moved
from stream.schema.signals import Signal
from stream.scopes import price_scope
from stream.stage import StateRow


class Prices:
    """Those whose alerts are told from one spend partition, by scope and usage partition."""

    def __init__(self, kind: PriceChange) -> None:
        self._kind = kind
        self._moved: dict[str, dict[int, Moved]] = {}
        self._told_s: dict[str, int] = {}
        self._changed: dict[str, None] = {}

    def hear(self, usage_partition: int, words: Iterable[Moved]) -> None:
        for word in words:
            scope = price_scope(word.provider, word.region, word.driver, word.sku)
            self._moved.setdefault(scope, {})[usage_partition] = word
            self._changed[scope] = None

    def restore(self, key: bytes, value: bytes) -> None:
        self._moved[key.removeprefix(schema.PRICE_PREFIX).decode()] = wire.decode(value)

    def changes(self) -> Iterator[StateRow]:
        for scope in self._changed:
            moved = self._moved.get(scope)
            yield StateRow(schema.PRICE_PREFIX + scope.encode(), wire.encode(moved) if moved else None)
        self._changed.clear()

    def signals(self, time_s: int, refresh_s: int) -> Iterator[Signal]:
        """What is due to be told."""
        for scope, by_partition in list(self._moved.items()):
            since_s = min(one.since_s for one in by_partition.values())
            over = time_s - since_s > self._kind.params.told_for_s
            if over:
                del self._moved[scope]
                self._changed[scope] = None
            elif time_s - self._told_s.get(scope, -refresh_s) < refresh_s:
                continue
            self._told_s[scope] = time_s
            yield self._signal(scope, list(by_partition.values()), time_s, since_s, over)
            if over:
                del self._told_s[scope]

    def _signal(self, scope: str, moved: list[Moved], time_s: int, since_s: int, over: bool) -> Signal:
        last = max(moved, key=lambda one: one.since_s)
        units_per_hour = sum(one.units_per_hour for one in moved)
        what = last.driver
        for word, name in (("of", last.sku), ("at", last.provider), ("in", last.region)):
            what += f" {word} {name}" if name else ""
        return blind.signal(
            scope,
            PriceChange.name,
            time_s,
            since_s,
            firing=not over,
            score=self._kind.score(last.old_usd, last.new_usd, units_per_hour),
            usd_per_hour=(last.new_usd - last.old_usd) * units_per_hour,
            reason=price_change.reason(what, last.old_usd, last.new_usd, units_per_hour),
        )
