"""Which settings of a detector are thresholds, and what else each could be."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from pydantic import ValidationError

from detectors import registry
from detectors.contract import Detector, Params

# From far too nervous to far too calm. What a detector does not allow is left out.
SCALES: Final = (0.5, 0.75, 1.5, 2.0, 3.0)
# Numbers that are no thresholds: a price, and a shape.
_NONE: Final = frozenset({("egress", "usd_per_gb")})
# Where a higher number means more alarms.
_HIGHER_IS_LOOSER: Final = frozenset({("growth", "doubling_min"), ("ratio", "observability_least")})
_BUILT_IN: Final = frozenset(kind.name for kind in registry.BUILT_IN)


class Setting(NamedTuple):
    """One threshold as it is configured."""

    detector: str
    name: str
    value: float

    @property
    def higher_is_looser(self) -> bool:
        return (self.detector, self.name) in _HIGHER_IS_LOOSER


class Trial(NamedTuple):
    """A setting with another value, and the detector with it."""

    setting: Setting
    scale: float
    value: float
    detector: Detector

    @property
    def looser(self) -> bool:
        return (self.scale > 1) == self.setting.higher_is_looser


def settings(name: str, params: Params) -> list[Setting]:
    """The thresholds of a detector: its numbers with a fraction, since counts and names are none."""
    found = []
    for field, info in type(params).model_fields.items():
        value = getattr(params, field)
        if info.annotation is float and value > 0 and (name, field) not in _NONE:
            found.append(Setting(name, field, value))
    return found


def trials(setting: Setting, params: Params, scales: Iterable[float]) -> Iterator[Trial]:
    """The detector with other values of a setting, the loosest first."""
    kind = registry.find(setting.detector)
    for scale in sorted(scales, reverse=setting.higher_is_looser):
        value = float(f"{setting.value * scale:.6g}")
        changed = _changed(params, {setting.name: value})
        if changed is not None:
            yield Trial(setting, scale, value, kind(changed))


def loosest(name: str, params: Params, tried: Iterable[Trial]) -> Detector | None:
    """A detector that says something wherever one of these or the present one does; None where nobody knows:
    detectors that learn, and those of other packages."""
    kind = registry.find(name)
    if name not in _BUILT_IN or kind(params).save() != b"":
        return None
    values: dict[str, float] = {}
    for trial in tried:
        if trial.looser:
            values.setdefault(trial.setting.name, trial.value)
    changed = _changed(params, values)
    return None if changed is None else kind(changed)


def _changed(params: Params, values: dict[str, float]) -> Params | None:
    """None where the detector does not take them."""
    try:
        return type(params).model_validate(params.model_dump() | values)
    except ValidationError:
        return None
