"""Flap damping: what comes back again and again is held longer before it counts as over.

The first time that a scope fires within `flap_window_s` it is held clear for `hold_s` before it is resolved,
the second time for twice as long, and so on up to `flap_hold_s`. Within that time a return is the same alert
and rings nobody. A spike every half hour thus makes three pages a night (held 10, 20 and 40 min), not
sixteen; and the third says that it flaps.
"""

from collections.abc import Iterator

import msgspec

from stream.config_alerts import Alerting

_ROW = b"flaps/"


class Flaps:
    """When each scope fired of late. A scope that has not is not remembered."""

    def __init__(self, rules: Alerting) -> None:
        self._rules = rules
        self._fired_s: dict[str, list[int]] = {}

    def fired(self, scope: str, now_s: int) -> None:
        self._fired_s.setdefault(scope, []).append(now_s)

    def came_back(self, clear_s: int | None, now_s: int) -> bool:
        """Whether what has been clear since `clear_s` would fire anew now if nothing were damped: that
        counts too, or an alert that flaps for hours would be resolved as its first times are forgotten."""
        return clear_s is not None and now_s - clear_s >= self._rules.hold_s

    def count(self, scope: str, now_s: int) -> int:
        """How often the scope has fired, or would have, within the window."""
        since_s = now_s - self._rules.flap_window_s
        return sum(fired_s > since_s for fired_s in self._fired_s.get(scope, ()))

    def hold_s(self, scope: str, now_s: int) -> int:
        """How long the scope must be clear before its alert is resolved."""
        rules = self._rules
        doublings = min(max(0, self.count(scope, now_s) - 1), 30)  # 2^30 is beyond any limit
        return max(rules.hold_s, min(rules.hold_s << doublings, rules.flap_hold_s))

    def forget(self, now_s: int) -> None:
        since_s = now_s - self._rules.flap_window_s
        for scope, times_s in list(self._fired_s.items()):
            kept = [fired_s for fired_s in times_s if fired_s > since_s]
            if kept:
                self._fired_s[scope] = kept
            else:
                del self._fired_s[scope]

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        for scope, times_s in self._fired_s.items():
            yield _ROW + scope.encode(), msgspec.json.encode(times_s)

    def restore(self, key: bytes, value: bytes) -> bool:
        """Take a state row, if it is one of these."""
        if not key.startswith(_ROW):
            return False
        self._fired_s[key.removeprefix(_ROW).decode()] = msgspec.json.decode(value, type=list[int])
        return True
