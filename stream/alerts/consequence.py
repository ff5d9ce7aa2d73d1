"""What a verdict on an alert would change, told before it is saved: which past alerts it would have removed.

It errs on one side. An alert counts as removed only where that is certain from what its records say: the
highest score of every detector that had a part in it, its highest rate, its beginning and end.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from stream.alerts import text
from stream.schema.alerts import Alert, Severity, State
from stream.schema.feedback import HIGHEST_FACTOR, LASTS_S, Feedback, Verdict

WEEK_S: Final = 7 * 86_400
# Room above the rate that was expected: next week's batch is never to the cent that of this week.
HEADROOM: Final = 1.25
# It must be on before what it plans begins: a batch that starts five minutes early is the same batch.
EARLY_S: Final = 300


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """One problem of the past as it was last told, with what people said of it."""

    alert: Alert
    verdicts: tuple[Verdict, ...]


class Consequence(msgspec.Struct, frozen=True, kw_only=True):
    """`removed` are the past alerts that would not have been told, the newest first; `hidden_real` those of
    them that somebody called real. `kept` alerts of the scope stay. `notes` say what else follows."""

    since_s: int
    removed: tuple[Past, ...]
    hidden_real: tuple[Past, ...]
    kept: int
    notes: tuple[str, ...]


def proposed(
    alert: Alert,
    verdict: Verdict,
    *,
    id_: str,
    by: str,
    now_s: int,
    note: str = "",
    weekly: bool = False,
    ceiling_usd_per_hour: float | None = None,
) -> Feedback:
    """The verdict as it would be saved. `weekly` and the ceiling are for what was expected."""
    until_s = alert.resolved_s or max(now_s, alert.time_s)
    since_s = min(alert.onset_s, until_s - 1)
    ceiling = None
    if verdict == Verdict.EXPECTED and (weekly or ceiling_usd_per_hour is not None):
        ceiling = ceiling_usd_per_hour or round(alert.peak_usd_per_hour * HEADROOM, 2)
        since_s = max(0, since_s - EARLY_S)
    return Feedback(
        id=id_,
        by=by,
        made_s=now_s,
        note=note,
        alert=alert.dedup_key,
        verdict=verdict,
        scope=alert.scope,
        detectors=alert.detectors,
        since_s=since_s,
        until_s=until_s,
        factors=_factors(alert.scores) if verdict == Verdict.FALSE else {},
        ceiling_usd_per_hour=ceiling,
        expires_s=now_s + LASTS_S[verdict],
    )


def _factors(scores: Mapping[str, float]) -> dict[str, float]:
    """Just so high that these scores would not have fired, and not higher than a threshold may rise."""
    return {
        detector: min(HIGHEST_FACTOR, max(1.0, math.ceil(score * 100) / 100))
        for detector, score in scores.items()
    }


def past(transitions: Iterable[Alert], said: Iterable[Feedback], since_s: int) -> list[Past]:
    """Every problem of which people were told since then, each once, the newest first."""
    last: dict[str, Alert] = {}
    for alert in transitions:
        if alert.digest is None and alert.time_s >= since_s:
            last[problem(alert.dedup_key)] = alert
    verdicts: dict[str, list[Verdict]] = {}
    for one in said:
        if one.ended_s is None:
            verdicts.setdefault(problem(one.alert), []).append(one.verdict)
    found = [Past(alert=alert, verdicts=tuple(verdicts.get(name, ()))) for name, alert in last.items()]
    return sorted(found, key=lambda one: (-one.alert.fired_s, one.alert.dedup_key))


def problem(dedup_key: str) -> str:
    """What all keys of one problem have in common: all but the level."""
    return dedup_key.rpartition("/")[0]


def consequence(feedback: Feedback, known: Iterable[Past], since_s: int, now_s: int) -> Consequence:
    """What `feedback` would have changed of the alerts `known`."""
    own = [one for one in known if one.alert.scope == feedback.scope]
    removed = tuple(one for one in own if _removes(feedback, one.alert, now_s))
    return Consequence(
        since_s=since_s,
        removed=removed,
        hidden_real=tuple(one for one in removed if Verdict.REAL in one.verdicts),
        kept=len(own) - len(removed),
        notes=tuple(_notes(feedback, own, removed)),
    )


def _removes(feedback: Feedback, alert: Alert, now_s: int) -> bool:
    match feedback.verdict:
        case Verdict.FALSE:
            return bool(alert.scores) and all(
                score <= feedback.factors.get(detector, 0.0) for detector, score in alert.scores.items()
            )
        case Verdict.EXPECTED if feedback.ceiling_usd_per_hour is not None:
            ended_s = alert.resolved_s or now_s
            early_s = (alert.fired_s - feedback.since_s) % WEEK_S
            in_time = early_s + ended_s - alert.fired_s <= feedback.until_s - feedback.since_s
            return in_time and alert.peak_usd_per_hour <= feedback.ceiling_usd_per_hour
        case Verdict.NEW_NORMAL:
            return alert.fired_s >= feedback.since_s
    return False


def _notes(feedback: Feedback, own: list[Past], removed: tuple[Past, ...]) -> Iterable[str]:
    itself = problem(feedback.alert)
    match feedback.verdict:
        case Verdict.REAL:
            yield "It teaches the baseline nothing, and a later verdict that would hide it says so."
        case Verdict.EXPECTED:
            yield "It teaches the baseline nothing."
            if feedback.ceiling_usd_per_hour is not None:
                ceiling = text.usd(feedback.ceiling_usd_per_hour)
                yield f"Up to {ceiling}/h is planned at the same time (UTC) of each week; above it pages."
        case Verdict.FALSE:
            for detector, times in feedback.factors.items():
                yield f"{detector} must be {times:g} times its threshold to tell of {feedback.scope}."
            if not any(problem(one.alert.dedup_key) == itself for one in removed):
                yield (
                    f"It would have rung all the same: a threshold rises to {HIGHEST_FACTOR:g} times itself "
                    "at most. If it is planned, say expected or make a plan; if it stays, say new_normal."
                )
        case Verdict.NEW_NORMAL:
            yield "The baseline takes its level once enough hours of it are known, and keeps its shape."
    if any(one.alert.state != State.RESOLVED and one.alert.severity == Severity.PAGE for one in removed):
        yield "An alert that still fires is among those removed: it is resolved when all is clear."
