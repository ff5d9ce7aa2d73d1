"""The rolling windows of every scope of one spend partition, and of each scope's parts."""

from array import array
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.burn.quantities import GROUP, Quantities
from stream.burn.quantities import Restoring as RestoringQuantities
from stream.burn.restore import Restore
from stream.burn.rings import COMPONENT_RINGS, SCOPE_RINGS, RingSet
from stream.schema import windows as schema
from stream.schema.spend import CALIBRATION, CHILD, DRIVER, NOTE, Name, Rows
from stream.scopes import BILLING
from stream.stage import StateRow

Ints = NDArray[np.int64]

OTHER: Final = "other"
MAX_COMPONENTS: Final = 500  # of one scope; 500 x 1.6 KB are 0.8 MB at the very most
_NO_QUANTITY: Final = -1
_NEW: Final = -1


class Windows:
    """Scopes and their components. What is over the caps adds up in `other`, counted, never dropped."""

    def __init__(self, max_scopes: int) -> None:
        self.scopes = RingSet("s", SCOPE_RINGS)
        self.components = RingSet("c", COMPONENT_RINGS, totals=False)
        self.scope_names: list[str] = []
        self.overflow_nusd = 0
        self.late_nusd = 0
        self.quantities = Quantities()
        self.notes: dict[str, dict[int, int]] = {}  # remark -> scope's number -> series of its money
        # There are many components: columns of 8 bytes instead of an object each.
        self.scope_of = array("q")  # by component: the number of its scope
        self.drivers = array("q")  # by series of quantities: that of its money
        self._used = array("q")  # by component: the series of its quantities
        self._parts = array("q")  # by scope: how many components it has
        self._max_scopes = max_scopes

    @property
    def head_s(self) -> int:
        return self.scopes.head_s

    def advance(self, head_s: int) -> None:
        self.scopes.advance(head_s)
        self.components.advance(head_s)
        self.quantities.advance(head_s)

    def add(self, rows: Rows) -> None:
        """Add spend rows. `late_nusd` counts money so old that no ring holds its bucket any more."""
        if not len(rows.key):
            return
        known = self.components.ids
        places = np.array([known.get(name, _NEW) for name in rows.names], np.int64)
        over = np.zeros(len(places), np.bool_)
        for number in np.flatnonzero(places == _NEW).tolist():
            places[number], over[number] = self._place(rows.names[number])
        component = places[rows.key]
        scope, used = np.array(self.scope_of)[component], np.array(self._used)[component]
        counts = np.array([name.role == DRIVER for name in rows.names])[rows.key]
        self.overflow_nusd += int(rows.cost_nusd[over[rows.key] & counts].sum())
        width, bucket, cost = rows.width, rows.bucket, rows.cost_nusd
        width_s = np.asarray(width, np.int64)
        self.advance(
            int((((bucket + 1) * width_s)[width_s == SCOPE_RINGS[0].width_s]).max(initial=self.head_s))
        )
        self.late_nusd += self.scopes.add(scope[counts], width_s[counts], bucket[counts], cost[counts])
        self.components.add(component, width_s, bucket, cost)
        amounts = (used != _NO_QUANTITY) & (rows.quantity != 0)
        self.quantities.add(used[amounts], width_s[amounts], bucket[amounts], rows.quantity[amounts])

    def _place(self, name: Name) -> tuple[int, bool]:
        """The component that a row adds to, and whether it went over the cap into `other`."""
        number = self.number(name.scope)
        overflow = number is None and len(self.scopes) >= self._max_scopes
        scope = OTHER if overflow else name.scope
        if number is None:
            number = self._scope(scope)
        part = Name(scope, name.component, name.role)
        if part not in self.components.ids and self._parts[number] >= MAX_COMPONENTS and name.role != NOTE:
            part = Name(scope, OTHER, name.role)
        # What went to `other` is not remembered by its own name: there is no bound to it.
        return self._component(part, number), overflow

    def _component(self, part: Name, scope: int) -> int:
        component = self.components.series(part)
        if component == len(self.scope_of):
            self._recall(component, scope)
            # `billing=` scopes exist for reconciliation alone.
            if part.role == DRIVER and not part.scope.startswith(f"{BILLING}="):
                self._used[component] = self.quantities.append(self.components.names[component])
                self.drivers.append(component)
        return component

    def _recall(self, component: int, scope: int) -> None:
        part = self.components.names[component]
        self.scope_of.append(scope)
        self._used.append(_NO_QUANTITY)
        self._parts[scope] += 1
        if part.role == NOTE:
            self.notes.setdefault(part.component, {})[scope] = component

    def number(self, scope: str) -> int | None:
        """Of a scope that is known."""
        return self.scopes.ids.get(Name(scope, "", DRIVER))

    def _scope(self, scope: str) -> int:
        number = self.scopes.series(Name(scope, "", DRIVER))
        if number == len(self.scope_names):
            self.scope_names.append(self.scopes.names[number].scope)
            self._parts.append(0)
        return number

    def spent_nusd(self, scope: str, start_s: int, end_s: int) -> int:
        """Exact sum over [start, end), ends moved out to the edges of held buckets; 0 if unknown."""
        number = self.number(scope)
        return 0 if number is None else self.scopes.spent_nusd(number, start_s, end_s)

    def components_nusd(self, scope: str, start_s: int, end_s: int, role: int = DRIVER) -> dict[str, int]:
        """The same per component of one role (drivers or child scopes), without zeros."""
        number = self.number(scope)
        if number is None:
            return {}
        parts = np.flatnonzero(np.array(self.scope_of) == number).tolist()
        spent = {
            self.components.names[series].component: self.components.spent_nusd(series, start_s, end_s)
            for series in parts
            if self.components.names[series].role == role
        }
        return {component: nusd for component, nusd in spent.items() if nusd}

    def children_nusd(self, scope: str, start_s: int, end_s: int) -> dict[str, int]:
        return self.components_nusd(scope, start_s, end_s, CHILD)

    def calibration(self, scope: str, start_s: int, end_s: int) -> float:
        """By how much calibration changed this scope's money: calibrated over uncalibrated."""
        note = self.components.ids.get(Name(scope, CALIBRATION, NOTE))
        if note is None:
            return 1.0
        added = self.components.spent_nusd(note, start_s, end_s)
        spent = self.spent_nusd(scope, start_s, end_s)
        return spent / (spent - added) if added and spent != added else 1.0

    def component_hours(self, scope: str, component: str, role: int, hours: Ints) -> Ints:
        """Money of one component in each of the given hours (since the epoch); 0 where not held."""
        series = self.components.ids[Name(scope, component, role)]
        return self.components.rings[-1].of(series, hours)

    def changes(self) -> Iterator[StateRow]:
        yield from self.scopes.changes()
        yield from self.components.changes()
        yield from self.quantities.changes()

    def restore(self) -> "Restoring":
        return Restoring(self)

    def recall(self) -> None:
        """After the rings are restored: whose they are."""
        for name in self.scopes.names:
            self.scope_names.append(name.scope)
            self._parts.append(0)
        for component, name in enumerate(self.components.names):
            self._recall(component, self._scope(name.scope))
        for series, name in enumerate(self.quantities.names):
            component = self.components.ids[name]
            self._used[component] = series
            self.drivers.append(component)
            self.quantities.names[series] = self.components.names[component]  # one object, not two


class Restoring:
    """Fills empty windows: `load` every row that is theirs, in any order, then `settle`."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._groups: dict[str, Restore | RestoringQuantities] = {
            rings.group: Restore(rings) for rings in (windows.scopes, windows.components)
        }
        self._groups[GROUP] = windows.quantities.restore()

    def load(self, key: schema.Key, value: bytes) -> None:
        self._groups[key.group].load(key, value)

    def settle(self, head_s: int) -> None:
        for group in self._groups.values():
            group.settle(head_s)
        self._windows.recall()
