"""What a run sends, made from a seed: steady spend with runaways, and noise that is late, shuffled, repeated.

Event time goes in ticks of 10 s. In each tick every usage partition first gets one message of its *steady*
source, in order, then noise that ends no later. So a watermark never runs ahead of steady spend, and what
detectors see of it at each closed bucket does not depend on who was killed when: alerts must come out the
same. Noise is small money in scopes of its own.

Parts of money are made to be whole: a cost is a multiple of the buckets that it is spread over, so that
each bucket has one right number of nano-dollars, however estimates were batched.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

TICK_S: Final = 10
HOUR_S: Final = 3600
# So that the baseline is the median of 24 steady hours, which late noise of 30 hours ago does not move.
HISTORY_H: Final = 36
EPOCH: Final = 1
STEADY_NUSD: Final = 8_000_000  # a service, tick and partition: $5.76/h where there are 2 partitions
RUNAWAY: Final = 20
# As starts and ends in ticks. Fires within 4 ticks, is resolved about 20 after its end.
RUNAWAYS: Final = (("checkout", 10, 22), ("search", 60, 72), ("build", 110, 122), ("checkout", 160, 172))
SERVICES: Final = {
    "checkout": {"team": "payments", "namespace": "shop", "account": "1"},
    "search": {"team": "discovery", "namespace": "shop", "account": "1"},
    "build": {"team": "platform", "namespace": "ci", "account": "2"},
    "deploy": {"team": "platform", "namespace": "ci", "account": "2"},
}
PRICE_BOOK: Final = (
    "provider,driver,sku,region,unit,per,price_usd,effective_date,source\n"
    ",calls,,,call,1,0.000000003,,a whole number of nano-dollars\n"
)
CALL_NUSD: Final = 3
YEAR_2100_MS: Final = 4_102_444_800_000
DAY_MS: Final = 86_400_000
SHARE: Final = 0.3  # of noise that is late, of noise that is shuffled, and of noise that is repeated
POISON_SHARE: Final = 0.01
BURST: Final = 10_000
BURST_TICK: Final = 3


class Message(NamedTuple):
    partition: int
    source: str
    value: bytes


@dataclass(frozen=True)
class Plan:
    """`base_s` is when live spend begins, a multiple of 10 s; history lies before it."""

    seed: int
    base_s: int
    ticks: int
    partitions: int
    noise: int = 4
    """noise messages a partition and tick"""
    burst: int = 0
    """bad messages at once, in one tick"""

    def history(self) -> list[Message]:
        """Hours at the normal rate, and what of the running hour lies before `base_s`."""
        hour_s = self.base_s // HOUR_S * HOUR_S
        spans = [(hour_s - n * HOUR_S, hour_s - (n - 1) * HOUR_S) for n in range(HISTORY_H, 0, -1)]
        if hour_s < self.base_s:
            spans.append((hour_s, self.base_s))
        estimates = [
            _estimate(service, start_s, end_s, STEADY_NUSD * (end_s - start_s) // TICK_S)
            for start_s, end_s in spans
            for service in SERVICES
        ]
        return [
            Message(number, f"steady/{number}", _envelope(f"steady/{number}", 0, estimates))
            for number in range(self.partitions)
        ]

    def by_tick(self) -> Iterator[list[Message]]:
        """All messages, tick by tick; noise before its time has come is never sent."""
        noise = self._noise()
        for tick in range(self.ticks):
            steady = [self._steady(number, tick) for number in range(self.partitions)]
            yield steady + noise[tick]

    def _steady(self, number: int, tick: int) -> Message:
        start_s = self.base_s + tick * TICK_S
        estimates = []
        for service in SERVICES:
            wild = any(name == service and first <= tick < last for name, first, last in RUNAWAYS)
            cost_nusd = STEADY_NUSD * (RUNAWAY if wild else 1)
            estimates.append(_estimate(service, start_s, start_s + TICK_S, cost_nusd))
        source = f"steady/{number}"
        return Message(number, source, _envelope(source, tick + 1, estimates))

    def _noise(self) -> list[list[Message]]:
        chance = random.Random(self.seed)
        due: list[list[Message]] = [[] for _ in range(self.ticks)]
        for number in range(self.partitions):
            for home in range(self.ticks):
                for index in range(self.noise):
                    message = self._noise_message(chance, number, home, index)
                    sent = home + _delay(chance)
                    if sent < self.ticks:
                        due[sent].append(message)
                    while chance.random() < SHARE and (sent := sent + chance.randrange(40)) < self.ticks:
                        due[sent].append(message)
                    if chance.random() < POISON_SHARE:
                        due[home].append(self._poison(chance, number, home))
        if self.burst:
            due[BURST_TICK] += [
                self._poison(chance, index % self.partitions, BURST_TICK) for index in range(self.burst)
            ]
        for messages in due:
            chance.shuffle(messages)
        return due

    def _noise_message(self, chance: random.Random, number: int, home: int, index: int) -> Message:
        source = f"noise/{number}/{index}"
        estimates = [self._noise_estimate(chance, home) for _ in range(chance.randrange(1, 6))]
        return Message(number, source, _envelope(source, home, estimates))

    def _noise_estimate(self, chance: random.Random, home: int) -> dict[str, Any]:
        end_s = self.base_s + (home + 1) * TICK_S
        labels = {"namespace": "noise", "service": f"n{chance.randrange(8)}", "team": "noise"}
        if chance.random() < 0.2:
            del labels["team"]
        if chance.random() < 0.2:
            labels |= {"provider": "aws", "account": "3"}
        span_s, ago_s = chance.choice(
            [(10, 0), (10, 0), (60, 0), (300, 0), (60, 5 * 3600), (3600, 30 * 3600)]
        )
        end_s = (end_s - ago_s) // max(span_s, TICK_S) * span_s if ago_s else end_s
        buckets = span_s // TICK_S
        estimate = _estimate("", end_s - span_s, end_s, chance.randrange(1, 500) * buckets, labels)
        match chance.randrange(10):
            case 0:  # priced
                del estimate["cost_usd"]
                estimate |= {"driver": "calls", "quantity": chance.randrange(1, 50) * buckets}
            case 1:  # unpriced
                del estimate["cost_usd"]
                estimate |= {"driver": "wonders", "quantity": 1}
            case 2:  # below a nano-dollar; within one bucket, as only whole costs can be spread exactly
                estimate["start"] = estimate["end"] - TICK_S * 1000
                estimate["cost_usd"] = str(Decimal(chance.randrange(1, 10**8)) / 10**14)
            case 3 if chance.random() < 0.05:  # a bad one among good ones
                estimate |= {"driver": "poison:negative_quantity", "quantity": -1}
        return estimate

    def _poison(self, chance: random.Random, number: int, tick: int) -> Message:
        """A message that must become one dead letter; what it says after `poison:` is the reason."""
        end_ms = (self.base_s + tick * TICK_S) * 1000
        reason = chance.choice(REASONS)
        estimate: dict[str, Any] = {
            "start": end_ms - 10_000,
            "end": end_ms,
            "driver": f"poison:{reason}",
            "cost_usd": "0.000001",
            "labels": {"namespace": "noise"},
        }
        match reason:
            case "not_finite":
                estimate["cost_usd"] = "1e999"
            case "negative_quantity":
                estimate["quantity"] = -1
            case "end_before_start":
                estimate["end"] = estimate["start"] - 1
            case "span_too_long":
                estimate["start"] = end_ms - 36 * DAY_MS
            case "in_the_future":
                estimate |= {"start": YEAR_2100_MS, "end": YEAR_2100_MS + 10_000}
            case "too_old":
                estimate |= {"start": end_ms - 41 * DAY_MS, "end": end_ms - 40 * DAY_MS}
            case "cost_out_of_range":
                estimate["cost_usd"] = "20000000"
            case "labels_invalid":
                estimate["labels"] = {"namespace": 1}
            case "wrong_schema":
                estimate["colour"] = "green"
        value = json.dumps(estimate).encode()
        if reason == "malformed_json":
            value = value[:-2]
        elif reason == "not_utf8":
            value = value.replace(b"poison:not_utf8", b"poison:not_utf8\xff")
        return Message(number, "poison", value)


REASONS: Final = (
    "malformed_json", "wrong_schema", "not_utf8", "not_finite", "negative_quantity", "end_before_start",
    "span_too_long", "in_the_future", "too_old", "cost_out_of_range", "labels_invalid",
)  # fmt: skip


def _delay(chance: random.Random) -> int:
    """In ticks: a third late (over the minute after which burnline calls it so), a third out of order."""
    draw = chance.random()
    if draw < SHARE:
        return chance.randrange(7, 40)
    return chance.randrange(1, 5) if draw < 2 * SHARE else 0


def _estimate(
    service: str, start_s: int, end_s: int, cost_nusd: int, labels: dict[str, str] | None = None
) -> dict[str, Any]:
    return {
        "start": start_s * 1000,
        "end": end_s * 1000,
        "driver": "pod_hours",
        "cost_usd": f"{Decimal(cost_nusd) / 10**9:f}",
        "labels": labels if labels is not None else SERVICES[service] | {"service": service},
    }


def _envelope(source: str, seq: int, estimates: list[dict[str, Any]]) -> bytes:
    return json.dumps({"source": source, "epoch": EPOCH, "seq": seq, "estimates": estimates}).encode()
