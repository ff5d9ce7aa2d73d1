"""The API over real stages: a shop's day, a runaway, and a client on loopback."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from stream.alerts.stage import Alerts
from stream.burn.stage import Burn
from stream.config import Config, Http
from stream.config_alerts import Alerting
from stream.demo.estate import Estate
from stream.meter import price
from stream.meter.counters import Counters
from stream.meter.stage import Meter
from stream.schema import alerts as alerts_schema
from stream.schema import incidents as incidents_schema
from stream.schema import topics
from stream.schema.actions import Entry
from stream.schema.alerts import Alert
from stream.schema.calibrations import Calibration
from stream.schema.commands import Command
from stream.schema.dead_letters import DeadLetter
from stream.schema.incidents import Incident
from stream.schema.notify_state import Proof
from stream.serve.api import application
from stream.serve.listen import listening
from stream.stage import Batch, Output

T0_MS = 1_767_276_000_000  # 1 January 2026, 14:00 UTC
SPEND_PARTITIONS = 2
CONFIG = Config(alerts=Alerting(page_for_s=20, group_wait_s=10))


@dataclass
class Shop:
    """Meter, burn and alerts in one process, and what they have told; a `Replica`."""

    now_ms: int = T0_MS
    kept: dict[str, Incident] = field(default_factory=dict)
    told: list[Alert] = field(default_factory=list)
    appended: list[Output] = field(default_factory=list)
    problem: str | None = None
    letters: list[DeadLetter] = field(default_factory=list)
    proven: dict[str, Proof] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.meter = Meter(0, CONFIG, SPEND_PARTITIONS, price.load(None))
        self.burned = [Burn(number, CONFIG, SPEND_PARTITIONS, 1) for number in range(SPEND_PARTITIONS)]
        self.stage = Alerts(CONFIG)
        self.offsets: dict[tuple[str, int], int] = {}

    def hear(self, values: Sequence[bytes], now_ms: int) -> None:
        """Messages arrive, and a commit carries them through."""
        self.now_ms = now_ms
        self.meter.take(self._batch(topics.USAGE, 0, values))
        spends = self.meter.commit(now_ms).outputs
        for number, burn in enumerate(self.burned):
            mine = [one.value for one in spends if (one.topic, one.partition) == (topics.SPEND, number)]
            burn.take(self._batch(topics.SPEND, number, mine))
            said = [one.value for one in burn.commit(now_ms).outputs if one.topic == topics.SIGNALS]
            self.stage.take(self._batch(topics.SIGNALS, 0, said))
        self.told += [alerts_schema.decode(one.value) for one in self.stage.commit(now_ms).outputs]

    def _batch(self, topic: str, partition: int, values: Sequence[bytes]) -> Batch:
        first = self.offsets.get((topic, partition), 0)
        end = self.offsets[topic, partition] = first + len(values)
        return Batch(topic, partition, values, range(first, end), [self.now_ms] * len(values), end)

    @property
    def now_s(self) -> int:
        return min(burn.evaluated_s for burn in self.burned)

    def burns(self) -> Sequence[Burn]:
        return self.burned

    def alerting(self) -> Alerts:
        return self.stage

    async def dead_letters(self) -> AsyncIterator[DeadLetter]:
        for letter in self.letters:
            yield letter

    def action_log(self) -> list[Entry]:
        return []

    def commands(self) -> list[Command]:
        return self.stage.commands()

    def transitions(self, since_s: int) -> Iterable[Alert]:
        return [alert for alert in self.told if alert.time_s >= since_s]

    def incidents(self) -> Mapping[str, Incident]:
        return self.kept

    def counters(self) -> list[Counters]:
        return [self.meter.counters]

    def calibrations(self) -> list[Calibration]:
        return []

    def proofs(self) -> Mapping[str, Proof]:
        return self.proven

    async def append(self, topic: str, key: bytes, value: bytes) -> None:
        await asyncio.sleep(0.02)  # as with a real log, others get their turn meanwhile
        self.appended.append(Output(topic, key, value))
        if topic == topics.COMMANDS:
            self.stage.take(self._batch(topic, 0, [value]))
        if topic != topics.INCIDENTS:
            return
        incident = incidents_schema.decode(value)
        self.kept[incident.id] = incident


def runaway_shop() -> Shop:
    """Four days of the demo's estate in steps of five minutes, then ten minutes of runaway at T0."""
    shop = Shop()
    start_ms, end_ms = T0_MS - 4 * 86_400_000, T0_MS + 600_000
    estate = Estate(seed=7, start_ms=start_ms)
    estate.runaway(at_ms=T0_MS)
    history = [message.value for message in estate.messages(start_ms, T0_MS - 3_600_000, 300)]
    shop.hear(history, T0_MS - 3_600_000)
    for step_ms in range(T0_MS - 3_600_000, end_ms, 60_000):
        values = [message.value for message in estate.messages(step_ms, step_ms + 60_000, 10)]
        shop.hear(values, step_ms + 60_000)
    return shop


@asynccontextmanager
async def serving(
    shop: Shop, http: Http | None = None, config: Config = CONFIG
) -> AsyncIterator[aiohttp.ClientSession]:
    """A client whose paths go to the API of `shop`."""
    http = http or Http(port=0)
    async with (
        listening(application(shop, http, lambda: shop.now_ms, config), http) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        yield client
