"""A shop whose spend can be worked out by hand, through the real meter and burn stage.

Normal, every hour of eight days: checkout $10/h of pods and $2/h of egress, cart $5/h of pods, both of team
payments; billing account a1 pays for checkout, a2 for cart.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from stream.burn.figures import Figures
from stream.burn.stage import Burn
from stream.config import Config
from stream.incidents.cost import Cost, cost
from stream.meter import price
from stream.meter.stage import Meter
from stream.schema import calibrations, topics
from stream.schema.calibrations import Calibration
from stream.schema.incidents import Incident
from stream.stage import Batch

T0 = 1_767_276_000  # 1 January 2026, 14:00 UTC
HOUR = 3600
MINUTE = 60
NANO = 1_000_000_000
CONFIG = Config()

CHECKOUT = {"team": "payments", "namespace": "shop", "service": "checkout", "account": "a1"}
CART = {"team": "payments", "namespace": "shop", "service": "cart", "account": "a2"}
NORMAL = ((CHECKOUT, "pod_hours", 10), (CHECKOUT, "egress_bytes", 2), (CART, "pod_hours", 5))


def spend(labels: dict[str, str], driver: str, start_s: int, end_s: int, usd: object) -> dict[str, Any]:
    """One estimate of a whole stretch; money is spread evenly over it."""
    start, end = start_s * 1000, end_s * 1000
    return {"start": start, "end": end, "driver": driver, "cost_usd": str(usd), "labels": labels}


def normal(end_s: int = T0, days: int = 8) -> list[dict[str, Any]]:
    """Every hour up to `end_s` as it always is."""
    first = end_s // HOUR - 24 * days
    return [
        spend(labels, driver, hour * HOUR, (hour + 1) * HOUR, usd)
        for hour in range(first, end_s // HOUR)
        for labels, driver, usd in NORMAL
    ]


def burning(estimates: Iterable[dict[str, Any]], now_s: int, factors: Iterable[Calibration] = ()) -> Burn:
    """A burn stage that has heard all of these, and everything up to `now_s`."""
    meter = Meter(0, CONFIG, 1, price.load(None))
    for factor in factors:
        assert meter.calibrate(calibrations.encode(factor)) is None
    # An estimate of nothing moves the watermark to now.
    estimates = [*estimates, spend(CHECKOUT, "pod_hours", now_s - 10, now_s, 0)]
    value = msgspec.json.encode({"source": "hand", "epoch": 1, "seq": 1, "estimates": estimates})
    meter.take(Batch(topics.USAGE, 0, [value], [0], [now_s * 1000], 1))
    commit = meter.commit(now_s * 1000)
    assert meter.counters.rejected_events == 0
    burn = Burn(0, CONFIG, 1, 1)
    spends = [output.value for output in commit.outputs if output.topic == topics.SPEND]
    burn.take(Batch(topics.SPEND, 0, spends, range(len(spends)), [now_s * 1000] * len(spends), len(spends)))
    assert burn.evaluated_s == now_s
    return burn


def incident(*scopes: str, since_s: int = T0, **changes: Any) -> Incident:
    one = Incident(
        id="20260101-abc123",
        title="Checkout runs away",
        scopes=scopes or ("service=shop/checkout",),
        since_s=since_s,
        opened_by="ana",
        opened_s=since_s + 5 * MINUTE,
    )
    return msgspec.structs.replace(one, **changes)


def figures_of(burn: Burn) -> dict[str, Figures]:
    return {each.scope: each for each in burn.figures()}


def cost_of(burn: Burn, one: Incident, now_s: int | None = None) -> Cost:
    return cost(one, [burn], figures_of(burn), burn.evaluated_s if now_s is None else now_s)
