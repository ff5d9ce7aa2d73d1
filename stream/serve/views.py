"""What the API says of scopes, days and burnline itself: the replica, as plain values for JSON."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from stream.burn.figures import Figures
from stream.burn.stage import Burn
from stream.config import ScopeRule
from stream.incidents.cost import ESTIMATED, INTERIM
from stream.meter.counters import Counters
from stream.metric_families import merged
from stream.schema.invoices import day_name
from stream.schema.spend import CALIBRATION, NOTE, Name
from stream.scopes import BILLING, calibrated_scope, scope_labels
from stream.serve.replica import Replica

# Names of the windows of a history, finest first: the rings of a scope.
HISTORY: Final = ("1h", "24h", "35d")
SILENT_AFTER_S: Final = 60
DAYS_HELD: Final = 35  # of the hours that a scope keeps
DAY_S: Final = 86_400
HOUR_S: Final = 3600
KEY: Final = ("provider", "account", "service")
_BILLING: Final = (ScopeRule(name=BILLING, labels=KEY),)
_NANO: Final = 1e9
_TERMS: Final = ("sent", "accepted", "duplicate", "rejected", "late")


class Views:
    """Figures are worked out once for each evaluated bucket, however many ask."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self._evaluated: tuple[int, ...] = ()
        self._figures: dict[str, Figures] = {}

    def figures(self) -> Mapping[str, Figures]:
        burns = self.replica.burns()
        evaluated = tuple(burn.evaluated_s for burn in burns)
        if evaluated != self._evaluated:
            self._figures = {each.scope: each for each in merged(burn.figures() for burn in burns)}
            self._evaluated = evaluated
        return self._figures

    def scopes(self) -> list[str]:
        """The names that people watch."""
        names = (scope for burn in self.replica.burns() for scope in burn.windows.scope_names)
        return [scope for scope in names if not scope.startswith(f"{BILLING}=")]

    def burn_of(self, scope: str) -> Burn | None:
        return next((burn for burn in self.replica.burns() if _knows(burn, scope)), None)

    def burn(self, chosen: list[str], sort: str, limit: int) -> dict[str, Any]:
        """Figures of the chosen scopes, or of all but those kept for reconciliation."""
        figures = self.figures()
        if chosen:
            found = [figures[scope] for scope in chosen if scope in figures]
        else:
            found = [each for each in figures.values() if not each.scope.startswith(f"{BILLING}=")]
        by = _excess if sort == "excess" else _burn
        found.sort(key=lambda each: (-by(each), each.scope))
        return {
            "now_s": self.replica.now_s,
            "state": INTERIM if any(each.interim_usd_per_hour for each in found[:limit]) else ESTIMATED,
            "scopes": [_row(each) for each in found[:limit]],
            "left_off": max(0, len(found) - limit),
        }

    def history(self, scope: str, window: str) -> dict[str, Any]:
        """The closed buckets of one ring, as rates. None where the scope was not known yet.

        A scope lives in one partition, but each has its own `other`: there they add up.
        """
        homes = [
            (burn, number)
            for burn in self.replica.burns()
            if (number := burn.windows.number(scope)) is not None
        ]
        rings = [burn.windows.scopes.rings[HISTORY.index(window)] for burn, _ in homes]
        width_s = rings[0].spec.width_s
        closed = max(min(burn.evaluated_s for burn, _ in homes), 0) // width_s
        tail = max(ring.tail for ring in rings)
        buckets = np.arange(max(tail, closed - DAYS_HELD * DAY_S // width_s), closed)
        rates, known = np.zeros(len(buckets)), np.zeros(len(buckets), dtype=bool)
        interim = np.zeros(len(buckets))
        for (burn, number), ring in zip(homes, rings, strict=True):
            since = buckets * width_s // HOUR_S >= burn.windows.scopes.first_hour[number]
            rates += np.where(since, ring.of(number, buckets), 0) / _NANO * HOUR_S / width_s
            known |= since
            start_s, until_s, rate = burn.unmetered(scope)
            interim += np.where((buckets * width_s >= start_s) & (buckets * width_s < until_s), rate, 0.0)
        return {
            "scope": scope,
            "state": INTERIM if interim.any() else ESTIMATED,
            "window": window,
            "bucket_s": width_s,
            "start_s": int(buckets[0]) * width_s if len(buckets) else None,
            "usd_per_hour": np.where(known, rates + interim, np.nan).tolist(),
            "interim_usd_per_hour": interim.tolist(),
        }

    def estimates(self, days: int) -> dict[str, Any]:
        """Estimates of the last days (UTC, today included) by what an invoice line goes by."""
        burns = self.replica.burns()
        rows = [row for burn in burns for row in _days(burn, burns, days, self.replica.now_s)]
        rows.sort(key=lambda row: (row["day"], *(row[name] for name in KEY)))
        return {"now_s": self.replica.now_s, "state": ESTIMATED, "estimates": rows}

    def identity(self) -> dict[str, Any]:
        """sent = accepted + duplicate + rejected, over all usage partitions."""
        counters = self.replica.counters()
        whole: dict[str, Any] = {
            term: {
                unit: sum(getattr(each, f"{term}_{unit}") for each in counters) for unit in ("events", "nusd")
            }
            for term in _TERMS
        }
        reasons: dict[str, int] = {}
        for each in counters:
            for reason, count in each.rejected_by_reason.items():
                reasons[reason] = reasons.get(reason, 0) + count
        return {
            "balanced": all(each.balanced for each in counters),
            **whole,
            "unpriced_events": sum(each.unpriced_events for each in counters),
            "unmapped_nusd": sum(each.unmapped_nusd for each in counters),
            "rejected_by_reason": reasons,
            "partitions": [_partition(each) for each in counters],
        }

    def health(self, now_ms: int) -> tuple[bool, dict[str, Any]]:
        """Whether anything is being heard, and what is stale."""
        partitions = []
        for burn in self.replica.burns():
            closed_s, heard_ms = burn.closed_s(), burn.heard_ms
            partitions.append(
                {
                    "partition": burn.partition,
                    "closed_s": closed_s,
                    "lag_s": None if closed_s < 0 else now_ms / 1000 - closed_s,
                    "silent_s": None if heard_ms < 0 else (now_ms - heard_ms) / 1000,
                }
            )
        silences = [each["silent_s"] for each in partitions if each["silent_s"] is not None]
        stale = [
            each["partition"]
            for each in partitions
            if each["silent_s"] is None or each["silent_s"] > SILENT_AFTER_S
        ]
        shortest_s = min(silences, default=None)
        heard = shortest_s is not None and shortest_s <= SILENT_AFTER_S
        status: dict[str, Any] = {"status": "ok" if heard and not stale else "stale", "stale": stale}
        if self.replica.problem is not None:
            status |= {"status": "stale", "error": self.replica.problem}
        elif shortest_s is None:
            status["error"] = "nothing has been heard yet: send estimates to /v1/usage"
        elif not heard:
            status["error"] = (
                f"nothing has been heard for {shortest_s:,.0f} s: see whether the collectors run"
            )
        return heard, {**status, "now_s": self.replica.now_s, "partitions": partitions}


def _burn(figures: Figures) -> float:
    return figures.burn_usd_per_hour.get(300, 0.0)


def _excess(figures: Figures) -> float:
    return _burn(figures) - (figures.baseline_usd_per_hour or 0.0)


def _row(figures: Figures) -> dict[str, Any]:
    return {**dataclasses.asdict(figures), "state": INTERIM if figures.interim_usd_per_hour else ESTIMATED}


def _partition(counters: Counters) -> dict[str, Any]:
    return {**msgspec.structs.asdict(counters), "balanced": counters.balanced}


def _days(burn: Burn, burns: Sequence[Burn], days: int, now_s: int) -> Iterator[dict[str, Any]]:
    """One row a key and day that holds money. `complete` tells whether all of the day is in and held;
    `calibration_nusd` (the part that a factor added) is None where it fell over the cap on scopes."""
    windows = burn.windows
    today = max(now_s, 0) // DAY_S
    held_s = windows.scopes.rings[-1].tail * HOUR_S
    first_hour = windows.scopes.first_hour[: len(windows.scopes)]
    # The hour in which burnline heard its very first estimate may be a part of an hour.
    known_s = (int(first_hour.min()) + 1) * HOUR_S if len(first_hour) else 0
    for scope in windows.scope_names:
        if not scope.startswith(f"{BILLING}=") or scope.count("/") >= len(KEY):
            continue  # with one part more it is what factors added
        labels = scope_labels(scope, _BILLING)
        added = calibrated_scope(labels.values())
        home = next((each for each in burns if _knows(each, added)), None)
        noted = Name(scope, CALIBRATION, NOTE) in windows.components.ids
        for day in range(today - days + 1, today + 1):
            start_s, end_s = day * DAY_S, (day + 1) * DAY_S
            nusd = windows.spent_nusd(scope, start_s, end_s)
            if nusd:
                calibrated_nusd = 0 if home is None else home.windows.spent_nusd(added, start_s, end_s)
                known = home is not None or not noted
                yield {
                    **labels,
                    "day": day_name(day),
                    "estimate_nusd": nusd,
                    "calibration_nusd": calibrated_nusd if known else None,
                    "complete": known and max(held_s, known_s) <= start_s and end_s <= now_s,
                }


def _knows(burn: Burn, scope: str) -> bool:
    return burn.windows.number(scope) is not None
