"""The rolling windows of every scope of one spend partition, and of each scope's parts."""

from collections.abc import Iterator
from typing import Final, NamedTuple

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
MAX_COMPONENTS: Final = 500  # of one scope; 500 x 1.9 KB are 1 MB at the very most
NO_QUANTITY: Final = -1


class Place(NamedTuple):
    """Where a row adds up: its scope's, its component's and its driver's series (or NO_QUANTITY), and
    whether it went over the cap into `other`."""

    scope: int
    component: int
    used: int
    overflow: bool


class Driver(NamedTuple):
    """What one series of quantities is of: the number of its scope, its driver, the series of its money."""

    scope: int
    name: str
    component: int


class Windows:
    """Scopes and their components. What is over the caps adds up in `other`, counted, never dropped."""

    def __init__(self, max_scopes: int) -> None:
        self.scopes = RingSet("s", SCOPE_RINGS)
        self.components = RingSet("c", COMPONENT_RINGS, totals=False)
        self.scope_names: list[str] = []
        self.overflow_nusd = 0
        self.late_nusd = 0
        self.quantities = Quantities()
        self.drivers: list[Driver] = []  # in order of the series of quantities
        self.notes: dict[str, dict[int, int]] = {}  # remark -> scope's number -> series of its money
        self._max_scopes = max_scopes
        self._parts: list[dict[Name, int]] = []
        self._placed: dict[Name, Place] = {}

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
        places = [self._placed.get(name) or self._place(name) for name in rows.names]
        columns = zip(*places, strict=True)
        scope, component, used, over = (np.array(column, np.int64)[rows.key] for column in columns)
        counts = np.array([name.role == DRIVER for name in rows.names])[rows.key]
        overflow = (over != 0) & counts
        self.overflow_nusd += int(rows.cost_nusd[overflow].sum())
        width, bucket, cost = rows.width, rows.bucket, rows.cost_nusd
        width_s = np.asarray(width, np.int64)
        self.advance(
            int((((bucket + 1) * width_s)[width_s == SCOPE_RINGS[0].width_s]).max(initial=self.head_s))
        )
        self.late_nusd += self.scopes.add(scope[counts], width_s[counts], bucket[counts], cost[counts])
        self.components.add(component, width_s, bucket, cost)
        amounts = (used != NO_QUANTITY) & (rows.quantity != 0)
        self.quantities.add(used[amounts], width_s[amounts], bucket[amounts], rows.quantity[amounts])

    def _place(self, name: Name) -> Place:
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
            self._note(part, number, parts[part])
        place = Place(number, parts[part], self._used(part, number, parts[part]), overflow)
        if part == name:  # what went to `other` is not remembered: there is no bound to it
            self._placed[name] = place
        return place

    def _used(self, part: Name, scope: int, component: int) -> int:
        """The series of a driver's quantities. `billing=` scopes exist for reconciliation alone."""
        if part.role != DRIVER or part.scope.startswith(f"{BILLING}="):
            return NO_QUANTITY
        series = self.quantities.series(schema.name_bytes(*part))
        if series == len(self.drivers):
            self.drivers.append(Driver(scope, part.component, component))
        return series

    def _note(self, part: Name, scope: int, component: int) -> None:
        if part.role == NOTE:
            self.notes.setdefault(part.component, {})[scope] = component

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
        return self.components.rings[-1].of(series, hours)

    def changes(self) -> Iterator[StateRow]:
        yield from self.scopes.changes()
        yield from self.components.changes()
        yield from self.quantities.changes()

    def restore(self) -> "Restoring":
        return Restoring(self)

    def recall(self) -> None:
        """After the rings are restored: whose they are."""
        for key in self.scopes.ids:
            self.scope_names.append(schema.decode_name(key)[0])
            self._parts.append({})
        for key, series in self.components.ids.items():
            name = Name(*schema.decode_name(key))
            scope = self._scope(name.scope)
            self._parts[scope][name] = series
            self._note(name, scope, series)
        for key in self.quantities.ids:
            name = Name(*schema.decode_name(key))
            scope = self._scope(name.scope)
            self.drivers.append(Driver(scope, name.component, self._parts[scope][name]))


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
