"""The rolling windows of every scope of one spend partition, and of each scope's parts."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.burn.restore import Restore
from stream.burn.rings import COMPONENT_RINGS, SCOPE_RINGS, RingSet
from stream.schema import windows as schema
from stream.schema.spend import CALIBRATION, CHILD, DRIVER, NOTE, Name, Rows
from stream.stage import StateRow

Ints = NDArray[np.int64]

OTHER: Final = "other"
MAX_COMPONENTS: Final = 500  # of one scope; 500 x 2.5 KB are 1.3 MB at the very most


class Windows:
    """Scopes and their components. What is over the caps adds up in `other`, counted, never dropped."""

    def __init__(self, max_scopes: int) -> None:
        self.scopes = RingSet("s", SCOPE_RINGS)
        self.components = RingSet("c", COMPONENT_RINGS, totals=False)
        self.scope_names: list[str] = []
        self.overflow_nusd = 0
        self.late_nusd = 0
        self._max_scopes = max_scopes
        self._parts: list[dict[Name, int]] = []
        self._placed: dict[Name, tuple[int, int, bool]] = {}

    @property
    def head_s(self) -> int:
        return self.scopes.head_s

    def advance(self, head_s: int) -> None:
        self.scopes.advance(head_s)
        self.components.advance(head_s)

    def add(self, rows: Rows) -> None:
        """Add spend rows. `late_nusd` counts money so old that no ring holds its bucket any more."""
        if not len(rows.key):
            return
        pairs = [self._placed.get(name) or self._place(name) for name in rows.names]
        scope = np.array([pair[0] for pair in pairs], np.int64)[rows.key]
        component = np.array([pair[1] for pair in pairs], np.int64)[rows.key]
        counts = np.array([name.role == DRIVER for name in rows.names])[rows.key]
        overflow = np.array([pair[2] for pair in pairs])[rows.key] & counts
        self.overflow_nusd += int(rows.cost_nusd[overflow].sum())
        width, bucket, cost = rows.width, rows.bucket, rows.cost_nusd
        width_s = np.asarray(width, np.int64)
        self.advance(
            int((((bucket + 1) * width_s)[width_s == SCOPE_RINGS[0].width_s]).max(initial=self.head_s))
        )
        self.late_nusd += self.scopes.add(scope[counts], width_s[counts], bucket[counts], cost[counts])
        self.components.add(component, width_s, bucket, cost)

    def _place(self, name: Name) -> tuple[int, int, bool]:
        """Scope's and component's series of a row, and whether it went over the cap into `other`."""
        key = schema.name_bytes(name.scope, "", DRIVER)
        known = self.scopes.ids.get(key)
        overflow = known is None and len(self.scopes) >= self._max_scopes
        scope = OTHER if overflow else name.scope
        number = known if known is not None else self._scope(scope)
        parts = self._parts[number]
        part = Name(scope, name.component, name.role)
        if part not in parts and len(parts) >= MAX_COMPONENTS and name.role != NOTE:
            part = Name(scope, OTHER, name.role)
        if part not in parts:
            parts[part] = self.components.series(schema.name_bytes(*part))
        place = (number, parts[part], overflow)
        if part == name:  # what went to `other` is not remembered: there is no bound to it
            self._placed[name] = place
        return place

    def _scope(self, scope: str) -> int:
        number = self.scopes.series(schema.name_bytes(scope, "", DRIVER))
        if number == len(self.scope_names):
            self.scope_names.append(scope)
            self._parts.append({})
        return number

    def spent_nusd(self, scope: str, start_s: int, end_s: int) -> int:
        """Exact sum over [start, end), ends moved out to the edges of held buckets; 0 if unknown."""
        number = self.scopes.ids.get(schema.name_bytes(scope, "", DRIVER))
        return 0 if number is None else self.scopes.spent_nusd(number, start_s, end_s)

    def components_nusd(self, scope: str, start_s: int, end_s: int, role: int = DRIVER) -> dict[str, int]:
        """The same per component of one role (drivers or child scopes), without zeros."""
        number = self.scopes.ids.get(schema.name_bytes(scope, "", DRIVER))
        if number is None:
            return {}
        spent = {
            name.component: self.components.spent_nusd(series, start_s, end_s)
            for name, series in self._parts[number].items()
            if name.role == role
        }
        return {component: nusd for component, nusd in spent.items() if nusd}

    def children_nusd(self, scope: str, start_s: int, end_s: int) -> dict[str, int]:
        return self.components_nusd(scope, start_s, end_s, CHILD)

    def calibration(self, scope: str, start_s: int, end_s: int) -> float:
        """By how much calibration changed this scope's money: calibrated over uncalibrated."""
        number = self.scopes.ids.get(schema.name_bytes(scope, "", DRIVER))
        note = None if number is None else self._parts[number].get(Name(scope, CALIBRATION, NOTE))
        if note is None:
            return 1.0
        added = self.components.spent_nusd(note, start_s, end_s)
        spent = self.spent_nusd(scope, start_s, end_s)
        return spent / (spent - added) if added and spent != added else 1.0

    def component_hours(self, scope: str, component: str, role: int, hours: Ints) -> Ints:
        """Money of one component in each of the given hours (since the epoch); 0 where not held."""
        number = self.scopes.ids[schema.name_bytes(scope, "", DRIVER)]
        series = self._parts[number][Name(scope, component, role)]
        ring = self.components.rings[-1]
        values = ring.data[hours % ring.spec.slots, series]
        return np.where((hours >= ring.tail) & (hours <= ring.head), values, 0)

    def changes(self) -> Iterator[StateRow]:
        yield from self.scopes.changes()
        yield from self.components.changes()

    def restore(self) -> "Restoring":
        return Restoring(self)

    def recall(self) -> None:
        """After the rings are restored: whose they are."""
        for key in self.scopes.ids:
            self.scope_names.append(schema.decode_name(key)[0])
            self._parts.append({})
        for key, series in self.components.ids.items():
            name = Name(*schema.decode_name(key))
            self._parts[self._scope(name.scope)][name] = series


class Restoring:
    """Fills empty windows: `load` every row that is theirs, in any order, then `settle`."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._groups = {rings.group: Restore(rings) for rings in (windows.scopes, windows.components)}

    def load(self, key: schema.Key, value: bytes) -> None:
        self._groups[key.group].load(key, value)

    def settle(self, head_s: int) -> None:
        for group in self._groups.values():
            group.settle(head_s)
        self._windows.recall()
