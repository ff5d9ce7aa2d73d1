"""What every detector must hold to, as checks that any implementation can be run through.

    from detectors import check
    check(MyDetector)

Each check raises AssertionError with one sentence. They use `detectors.views`, so they need no data.
"""

import gc
import pickletools
import re
import sys
import tracemalloc
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from itertools import islice
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from detectors.contract import (
    Detector,
    Drivers,
    Floats,
    Params,
    Scores,
    View,
    due,
    every_s,
    mistake_in,
)
from detectors.views import START_S, Event, arrays, columns, freeze, pick, synthetic_views

Check = Callable[[type[Detector], Params], None]

# A sudden 30x, a lasting 4x, one that doubles every 3 min and one that gets dearer, so that most kinds have
# something to say.
EVENTS: Final = (
    Event(1200, 1800, factor=30, scopes=(0, 1)),
    Event(2400, 7200, factor=4, scopes=(1, 2)),
    Event(1800, 3000, doubling_s=180, scopes=(3,)),
    Event(1200, 7200, price=3, scopes=(4,)),
)
MEMORY_BUCKETS: Final = 5000
WORK_BUCKETS: Final = 2000
WORK_LOOKS: Final = 12
_EFFORTS: Final = ("lines of Python", "bytes at once")
# A list that keeps one float a bucket grows by 8 (reference) + 24 (float) = 32 bytes a bucket; half of that.
HOARD_BYTES: Final = 16 * MEMORY_BUCKETS // 2

ODD_VALUES: Final = {"NaN": np.nan, "zero": 0.0, "negative": -5.0, "infinite": np.inf, "huge": 1e300}


def check(detector: type[Detector], params: Params | None = None) -> None:
    """Run a detector through all checks, with `params` or else with its defaults."""
    check_name_and_params(detector)
    chosen = detector.params_type() if params is None else params
    for one in CHECKS:
        one(detector, chosen)


def check_name_and_params(detector: type[Detector]) -> None:
    """The name is kebab-case; params are a `Params` with defaults that refuses unknown keys."""
    name = getattr(detector, "name", None)
    kebab = isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name)
    _require(kebab, detector, f"the name {name!r} is not kebab-case, such as 'burn-vs-budget'")
    every = getattr(detector, "every_s", 10)
    whole = isinstance(every, int) and every > 0 and every % 10 == 0
    _require(whole, detector, f"every_s is {every!r}, not a whole multiple of 10 s")
    kind = getattr(detector, "params_type", None)
    fits = isinstance(kind, type) and issubclass(kind, Params)
    _require(fits, detector, "params_type is no subclass of detectors.contract.Params")
    try:
        detector.params_type()
    except ValidationError:
        _fail(detector, "its params cannot be built from defaults alone")
    try:
        detector.params_type.model_validate({"no_such_setting": 1})
    except ValidationError:
        return
    _fail(detector, "its params accept the unknown key 'no_such_setting'")


def check_answers(detector: type[Detector], params: Params) -> None:
    """Scores are aligned with the scopes and consistent; the reason is one sentence."""
    _run(detector, detector(params), _views())


def check_deterministic(detector: type[Detector], params: Params) -> None:
    """The same views twice give the same scores, in a fresh instance too."""
    first, second = (_run(detector, detector(params), _views()) for _ in range(2))
    _require_same(detector, first, second, "the same views gave other scores the second time")


def check_resumes(detector: type[Detector], params: Params) -> None:
    """Saved and loaded half-way, it goes on as if nothing had happened."""
    views = list(_due(detector, _views()))
    half = len(views) // 2
    through = _run(detector, detector(params), views)
    before = detector(params)
    _run(detector, before, views[:half])
    after = detector(params)
    after.load(before.save())
    rest = _run(detector, after, views[half:])
    _require_same(detector, through[half:], rest, "scores differ after save and load")


def check_state_is_plain(detector: type[Detector], params: Params) -> None:
    """`save` gives bytes, and no pickle in whole or at its end."""
    instance = detector(params)
    _run(detector, instance, _views())
    state = instance.save()
    _require(type(state) is bytes, detector, f"save() gave {type(state).__name__}, not bytes")
    # Protocols 2 to 5 start with this header; older ones have none, so the whole is tried too.
    starts = {0} | {m.start() for m in re.finditer(rb"\x80[\x02-\x05]", state)}
    pickled = any(_is_pickle(state[start:]) for start in starts)
    _require(not pickled, detector, "save() gave a pickle: loading one can run any code")


def check_no_future(detector: type[Detector], params: Params) -> None:
    """Two worlds that differ only after a bucket give the same scores up to it, and none changes later."""
    differ_s = 3000
    worlds = [(), (Event(differ_s, 3600, factor=50),)]
    told = []
    for more in worlds:
        kept, copies, before = [], [], 0
        instance = detector(params)
        for view in _due(detector, _views(duration_s=3600, events=(*EVENTS, *more))):
            scores = instance.observe(view)
            kept.append(scores)
            copies.append(_copy(scores))
            before += view.time_s <= START_S + differ_s
        _require_same(detector, copies, kept, "scores that were already given changed at a later bucket")
        told.append(copies[:before])
    _require_same(detector, told[0], told[1], "scores depend on buckets that come later")


def check_order_of_scopes(detector: type[Detector], params: Params) -> None:
    """Shuffled scopes give the same scores, shuffled."""
    views = list(_views())
    order = np.random.default_rng(1).permutation(len(views[0].scopes))
    straight = _run(detector, detector(params), views)
    shuffled = _run(detector, detector(params), (pick(view, order) for view in views))
    expected = [_rows(scores, order) for scores in straight]
    _require_same(detector, expected, shuffled, "scores depend on the order of the scopes", rounding=1e-9)


def check_new_scopes(detector: type[Detector], params: Params) -> None:
    """Scopes may be added between calls, and buckets skipped up to 5 minutes, also across save and load."""
    instance = detector(params)
    views = _due(detector, _views(scopes=8, duration_s=6000, every_s=300))
    for count, view in enumerate(views, start=1):
        if count == 8:
            state, instance = instance.save(), detector(params)
            instance.load(state)
        try:
            _observe(detector, instance, pick(view, range(min(count // 2, 8))))
        except AssertionError:
            raise
        except Exception as error:
            _fail(detector, f"adding scopes between calls raised {error!r}")


def check_odd_input(detector: type[Detector], params: Params) -> None:
    """NaN, zero, negative, infinite and huge values raise nothing, and leave no trace in the memory."""
    healthy = list(_due(detector, _views(duration_s=7200)))
    half = len(healthy) // 2
    random = np.random.default_rng(2)
    for what, value in ODD_VALUES.items():
        for share in (1.0, 0.3):
            instance = detector(params)
            try:
                _run(detector, instance, (_spoil(view, value, share, random) for view in healthy[:half]))
            except AssertionError as error:
                _fail(detector, f"with {what} values, {str(error).split(': ', 1)[-1]}")
            except Exception as error:
                _fail(detector, f"{what} values raised {error!r}")
            after = _run(detector, instance, healthy[half:])[-1]
            fresh = _run(detector, detector(params), healthy[half:])[-1]
            silenced = (np.isnan(after.score) & ~np.isnan(fresh.score)).any()
            _require(not silenced, detector, f"{what} values an hour ago still leave scores NaN")


def check_bounded_memory(detector: type[Detector], params: Params) -> None:
    """With the same scopes, neither what `save` gives nor the memory it takes grows with time."""
    instance = detector(params)
    made = synthetic_views(scopes=5, duration_s=MEMORY_BUCKETS * 10, events=EVENTS)
    views = _due(detector, made)
    for view in islice(views, MEMORY_BUCKETS * 10 // every_s(detector) // 2):
        instance.observe(view)
    saved_bytes = len(instance.save())
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    try:
        held_bytes = _held_bytes()
        for view in views:
            instance.observe(view)
        view = None  # type: ignore[assignment]  # the last one is not the detector's
        grown_bytes = _held_bytes() - held_bytes
    finally:
        if not was_tracing:
            tracemalloc.stop()
    grew = len(instance.save()) > saved_bytes * 1.05 + 64  # numbers written as text vary in length
    when = f"from bucket {MEMORY_BUCKETS // 2} to {MEMORY_BUCKETS}"
    _require(not grew, detector, f"save() grew from {saved_bytes} to {len(instance.save())} bytes {when}")
    _require(grown_bytes < HOARD_BYTES, detector, f"its memory grew by {grown_bytes} bytes {when}")


def check_constant_work(detector: type[Detector], params: Params) -> None:
    """A bucket takes as many steps late as early, counted in lines of Python and in bytes that are held at
    once: the same on every machine."""
    instance = detector(params)
    step_s = every_s(detector)
    duration_s = max(WORK_BUCKETS * 10, 3 * WORK_LOOKS * step_s)
    made = synthetic_views(scopes=5, duration_s=duration_s, every_s=step_s, events=EVENTS)
    quiet_s = START_S + max(event.end_s for event in EVENTS)
    some_s = WORK_LOOKS * step_s
    efforts: list[list[tuple[int, int]]] = [[], []]
    for view in made:
        early = quiet_s < view.time_s <= quiet_s + some_s
        late = view.time_s > START_S + duration_s - some_s
        if early or late:
            efforts[late].append(_effort(instance, view))
        else:
            instance.observe(view)
    early_effort, late_effort = (np.median(one, axis=0) for one in efforts)
    for what, before, after in zip(_EFFORTS, early_effort, late_effort, strict=True):
        grew = after > before * 1.2 + 100
        _require(not grew, detector, f"a bucket takes {after:.0f} {what} where it took {before:.0f}")


def _effort(instance: Detector, view: View) -> tuple[int, int]:
    """Lines that are run to look at a view, and bytes that this needs at its peak."""
    lines = 0

    def count(frame: Any, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    before, was_tracing = sys.gettrace(), tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    held = tracemalloc.get_traced_memory()[0]
    sys.settrace(count)
    try:
        instance.observe(view)
    finally:
        sys.settrace(before)
        peak = tracemalloc.get_traced_memory()[1]
        if not was_tracing:
            tracemalloc.stop()
    return lines, peak - held


def check_view_untouched(detector: type[Detector], params: Params) -> None:
    """It does not write into the view, whose arrays are read-only and shared by all detectors."""
    instance = detector(params)
    for view in _due(detector, _views()):
        before = [(name, values.copy()) for name, values in arrays(view)]
        scopes = list(view.scopes)
        try:
            instance.observe(view)
        except ValueError as error:
            if "read-only" in str(error):
                _fail(detector, "it writes into the view")
            raise
        for (name, old), (_, new) in zip(before, arrays(view), strict=True):
            same = np.array_equal(old, new, equal_nan=True)
            _require(same, detector, f"it changes the view's {name}")
        _require(scopes == list(view.scopes), detector, "it changes the view's scopes")


CHECKS: Final[tuple[Check, ...]] = (
    check_view_untouched,
    check_answers,
    check_deterministic,
    check_no_future,
    check_state_is_plain,
    check_resumes,
    check_order_of_scopes,
    check_new_scopes,
    check_odd_input,
    check_bounded_memory,
    check_constant_work,
)


def _views(
    *, scopes: int = 5, duration_s: int = 5400, every_s: int = 60, events: tuple[Event, ...] = EVENTS
) -> Iterator[View]:
    return synthetic_views(
        seed=7,
        scopes=scopes,
        duration_s=duration_s,
        every_s=every_s,
        events=events,
        last_forbidden=True,
        history_s=9 * 86_400,
    )


def _run(detector: type[Detector], instance: Detector, views: Iterable[View]) -> list[Scores]:
    return [_observe(detector, instance, view) for view in _due(detector, views)]


def _due(detector: type[Detector], views: Iterable[View]) -> Iterator[View]:
    """The views that a detector with `every_s` is shown."""
    last_s = -1
    for view in views:
        if due(detector, last_s, view.time_s):
            yield view
        last_s = view.time_s


def _observe(detector: type[Detector], instance: Detector, view: View) -> Scores:
    """One answer, checked for consistency, as a copy that the detector cannot change any more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        scores = instance.observe(view)
        mistake = mistake_in(scores, view)
        _require(not mistake, detector, mistake)
        for index in range(len(view.scopes)):
            if np.isfinite(scores.score[index]):
                reason = instance.reason(view, scores, index)
                sentence = isinstance(reason, str) and reason.strip() and "\n" not in reason
                _require(sentence, detector, f"its reason {reason!r} is not one sentence")
    return _copy(scores)


def _require_same(
    detector: type[Detector],
    expected: list[Scores],
    actual: list[Scores],
    sentence: str,
    *,
    rounding: float = 0.0,
) -> None:
    for one, other in zip(expected, actual, strict=True):
        for field in fields(Scores):
            a, b = getattr(one, field.name), getattr(other, field.name)
            if field.name == "score":
                same = np.allclose(a, b, rtol=rounding, atol=rounding, equal_nan=True)
            else:
                same = np.array_equal(np.asarray(a), np.asarray(b))
            _require(same, detector, f"{sentence} ({field.name})")


def _copy(scores: Scores) -> Scores:
    return _rows(scores, np.arange(len(scores.score)))


def _rows(scores: Scores, index: Any) -> Scores:
    changed = {f.name: np.array(getattr(scores, f.name))[index] for f in fields(Scores) if f.name != "tiers"}
    return replace(scores, tiers=tuple(scores.tiers), **changed)


def _spoil(view: View, value: float, share: float, random: np.random.Generator) -> View:
    """The view with that share of its dollars replaced by `value`."""

    def spoilt(values: Floats) -> Floats:
        with np.errstate(over="ignore"):  # a huge value is infinite as a float of 4 bytes
            return np.where(random.random(values.shape) < share, value, values).astype(values.dtype)

    def spoilt_in(table: View | Drivers) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        for name, column in columns(table):
            if isinstance(column, dict):
                changed[name] = {window_s: spoilt(values) for window_s, values in column.items()}
            elif column.dtype.kind == "f":
                changed[name] = spoilt(column)
        return changed

    drivers = replace(view.drivers, **spoilt_in(view.drivers))
    return freeze(replace(view, drivers=drivers, **spoilt_in(view)))


def _is_pickle(data: bytes) -> bool:
    """True where the bytes, from the first to the last, are the opcodes of a pickle."""
    try:
        *_, (_, _, position) = pickletools.genops(data)
    except ValueError:
        return False
    return position == len(data) - 1


def _held_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _require(condition: Any, detector: type[Detector], sentence: str) -> None:
    if not condition:
        _fail(detector, sentence)


def _fail(detector: type[Detector], sentence: str) -> None:
    raise AssertionError(f"{getattr(detector, 'name', None) or detector.__name__}: {sentence}")
