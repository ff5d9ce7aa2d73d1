"""Detectors by name: the built-in ones, and those that installed packages offer.

A package adds its own by an entry point in the group `burnline.detectors`, named as the detector is:

    [project.entry-points."burnline.detectors"]
    my-detector = "my_package.my_module:MyDetector"
"""

import difflib
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import Any, ClassVar, Final, Protocol

from pydantic import ValidationError

from detectors.burn_vs_baseline import BurnVsBaseline
from detectors.burn_vs_budget import BurnVsBudget
from detectors.change_point import ChangePoint
from detectors.contract import BUCKET_S, Detector, Params
from detectors.egress import Egress
from detectors.emergency import Emergency
from detectors.growth import Growth
from detectors.late_source import LateSource
from detectors.leak import Leak
from detectors.lost_labels import LostLabels
from detectors.metering_gap import MeteringGap
from detectors.policy import Policy
from detectors.price_change import PriceChange
from detectors.ratio import Ratio
from detectors.seasonal_anomaly import SeasonalAnomaly
from detectors.step import Step
from detectors.unit_cost import UnitCost

GROUP: Final = "burnline.detectors"
_METHODS: Final = ("observe", "reason", "save", "load")
BUILT_IN: Final[tuple[type[Detector], ...]] = (
    Step, BurnVsBaseline, BurnVsBudget, Emergency, Growth, Egress, UnitCost, ChangePoint, Leak,
    SeasonalAnomaly, Ratio, Policy,
)  # fmt: skip


class Kind(Protocol):
    """A kind of signal that does not come from a view: a stage finds it itself (the meter sees that a source
    is silent) and puts a `Signal` with this name into its evaluation. Its settings stand beside the
    detectors', and its docstring is told on the same page."""

    name: ClassVar[str]
    params_type: ClassVar[type[Params]]


WITHOUT_VIEW: Final[tuple[type[Kind], ...]] = (MeteringGap, LateSource, LostLabels, PriceChange)


def all_names() -> list[str]:
    """Names of all detectors that can be built, sorted. Loads no code of other packages."""
    return sorted({kind.name for kind in BUILT_IN} | {entry.name for entry in entry_points(group=GROUP)})


def settings_of(kind: type[Kind], settings: Mapping[str, Mapping[str, Any]]) -> Params:
    """The settings of a kind without a view, from all settings by name. Raises ValueError as `build` does."""
    return _params(kind, settings.get(kind.name, {}))


def build(name: str, settings: Mapping[str, Any]) -> Detector:
    """A new detector with these settings; what is left out has its default.

    Raises ValueError, in one sentence, for an unknown name or key (with the nearest known one), a value
    out of range, and a package whose detector can't be loaded or is called otherwise.
    """
    detector = find(name)
    return _made(detector, _params(detector, settings))


def build_all(settings: Mapping[str, Mapping[str, Any]]) -> list[Detector]:
    """Every detector that is not switched off by `enabled: false`, with its settings by name. Code of a
    package whose detector is switched off is not even loaded.

    Raises ValueError as `build` does, for settings of a detector that does not exist too.
    """
    without_view = {kind.name for kind in WITHOUT_VIEW}
    for kind_without_view in WITHOUT_VIEW:
        settings_of(kind_without_view, settings)
    off = {name for name in all_names() if settings.get(name, {}).get("enabled") is False}
    off -= {kind.name for kind in BUILT_IN}  # their other settings are looked at all the same
    names = sorted({*all_names(), *settings} - without_view - off)
    kinds = [(find(name), settings.get(name, {})) for name in names]
    chosen = [(kind, _params(kind, given)) for kind, given in kinds]
    return [_made(kind, params) for kind, params in chosen if params.enabled]


def find(name: str) -> type[Detector]:
    """The class called `name`. Raises ValueError as `build` does."""
    for detector in BUILT_IN:
        if detector.name == name:
            return detector
    for entry in entry_points(group=GROUP, name=name):
        origin = f"detector {name!r} of the package {entry.dist.name if entry.dist else entry.value!r}"
        try:
            loaded: type[Detector] = entry.load()
        except Exception as error:  # any code may run here; its author is told, the monitor's user too
            raise ValueError(
                f"{origin} cannot be loaded ({error}): mend or remove the package, or switch it off "
                f"with detectors.{name}.enabled: false"
            ) from error
        called = getattr(loaded, "name", None)
        if called != name:
            raise ValueError(f"{origin} calls itself {called!r}: give the class and its entry point one name")
        missing = [method for method in _METHODS if not callable(getattr(loaded, method, None))]
        params = getattr(loaded, "params_type", None)
        if not (isinstance(params, type) and issubclass(params, Params)):
            missing.append("params_type")
        every = getattr(loaded, "every_s", BUCKET_S)
        if not isinstance(every, int) or every < BUCKET_S or every % BUCKET_S:
            missing.append("every_s of whole tens of seconds")
        if missing:
            raise ValueError(
                f"{origin} has no {' and no '.join(missing)}: run it through detectors.check, or remove it"
            )
        return loaded
    raise ValueError(f"there is no detector {name!r}; {_nearest(name, all_names())}")


def _made(kind: type[Detector], params: Params) -> Detector:
    try:
        return kind(params)
    except Exception as error:  # any code may run here
        raise ValueError(
            f"detector {kind.name!r} cannot be made with these settings ({error!r}): mend its package, or "
            f"switch it off with detectors.{kind.name}.enabled: false"
        ) from error


def _params(kind: type[Kind], settings: Mapping[str, Any]) -> Params:
    try:
        return kind.params_type.model_validate(dict(settings))
    except ValidationError as error:
        known = kind.params_type.model_fields
        raise ValueError(
            "; ".join(_explain(kind.name, mistake, known) for mistake in error.errors())
        ) from None


def _explain(name: str, mistake: Any, known: Iterable[str]) -> str:
    key = ".".join(str(part) for part in mistake["loc"])
    if mistake["type"] == "extra_forbidden":
        return f"detector {name!r} has no setting {key!r}; {_nearest(key, known)}"
    return f"detector {name!r}, setting {key!r}: {mistake['msg'].removeprefix('Value error, ')}"


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
