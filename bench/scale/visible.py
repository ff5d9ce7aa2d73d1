"""How long it takes from a message to what people see of it, under load and at the default commit of 1 s."""

import asyncio
import json
import random
import re
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from bench.scale.figures import Figure, quantile
from bench.scale.processes import Process
from stream.config import Config
from stream.schema import topics as names
from stream.shell.kafka import topics

_PREFIX: Final = "visible-"
_USAGE: Final = _PREFIX + names.USAGE
_PARTITIONS: Final = 4
_SERVICES: Final = 50
_ENVELOPE: Final = 100
_SLICES: Final = 10  # of a bucket, in which load is sent evenly
_STEADY: Final = 3  # buckets before those that count
_BUCKET_S: Final = 10
_LAG: Final = re.compile(r'^burnline_watermark_lag_seconds\{partition="(\d+)",stage="burn"\} (\S+)', re.M)


def figures(
    folder: Path, bootstrap: str, samples: int, per_second: int, told: Callable[[str], None]
) -> list[Figure]:
    """Event time runs ten times as fast as the clock, an hour behind it: about once a second a bucket of
    10 s is closed by a message on each partition. The time is from before these are sent to when the answer
    of the API, and the worker's metrics, are of that bucket."""
    with ExitStack() as stack:
        document = {"kafka": {"bootstrap": bootstrap, "topic_prefix": _PREFIX, "group": _PREFIX}}
        asyncio.run(topics.create(Config.model_validate(document).kafka))
        told("starting meter, worker and serve")
        ready = {
            "meter": "meter owns partitions [", "worker": "burn owns partitions [", "serve": "console  http",
        }  # fmt: skip
        processes = {
            name: stack.enter_context(Process(folder, name, document, text)) for name, text in ready.items()
        }
        return asyncio.run(_Trial(bootstrap, processes, samples, per_second, told).run())


class _Trial:
    def __init__(
        self, bootstrap: str, processes: dict[str, Process], samples: int, per_second: int,
        told: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._bootstrap = bootstrap
        self._processes = processes
        self._samples = samples + _STEADY
        self._per_second = per_second
        self._told = told
        self._base_s = int(time.time()) // 10 * 10 - 3600
        self._closed: dict[int, float] = {}  # by bucket, when its closing was about to be sent
        self._seen: dict[str, dict[int, float]] = {"api": {}, "metrics": {}}
        self._sent: dict[int, int] = {}  # by service, envelopes

    async def run(self) -> list[Figure]:
        self._told(f"{self._samples} buckets at {self._per_second:,} estimates a second")
        producer: Any = AIOKafkaProducer(bootstrap_servers=self._bootstrap, linger_ms=2)
        await producer.start()
        watching = [
            asyncio.create_task(self._watch("api", self._api, 0.02)),
            asyncio.create_task(self._watch("metrics", self._metrics, 0.1)),
        ]
        began_s, meter_s = time.monotonic(), self._processes["meter"].cpu_s()
        chance = random.Random(1)
        for bucket in range(1, self._samples + 1):
            await self._bucket(producer, bucket, chance.uniform(0.7, 1.3))
        took_s, meter_s = time.monotonic() - began_s, self._processes["meter"].cpu_s() - meter_s
        await asyncio.sleep(5)
        for task in watching:
            if task.done():
                await task  # it has failed
            task.cancel()
        await producer.stop()
        load = f"{self._per_second:,} estimates a second"
        found = [Figure("visible: CPU a second of the meter meanwhile", load, meter_s / took_s, "s")]
        # Metrics show what the worker has made durable: a commit later, and nobody scrapes as often.
        ways = (("api", "API and console", 1.0, 3.0), ("metrics", "metrics of the worker", None, None))
        for where, what, asked_p50, asked_p99 in ways:
            waited = [
                self._seen[where][bucket] - closed_s
                for bucket, closed_s in self._closed.items()
                if bucket > _STEADY
            ]
            group = f"visible in {what}, after a message"
            found.append(Figure(group, "p50", quantile(waited, 0.5), "s", asked_p50))
            found.append(Figure(group, "p99", quantile(waited, 0.99), "s", asked_p99))
        return found

    async def _bucket(self, producer: Any, bucket: int, lasts_s: float) -> None:
        """Close the bucket before on every partition, then load for `lasts_s`."""
        start_ms = (self._base_s + bucket * _BUCKET_S) * 1000
        began_s = self._closed[bucket] = time.monotonic()
        for partition in range(_PARTITIONS):
            value = self._envelope(_SERVICES + partition, _estimate(start_ms, start_ms + 10))
            await producer.send(_USAGE, value, b"closing", partition)
        starts_ms = range(start_ms, start_ms + 10 * _ENVELOPE, 10)
        body = ",".join(_estimate(at_ms, at_ms + 10) for at_ms in starts_ms)
        envelopes = int(self._per_second * lasts_s / _ENVELOPE)
        for piece in range(_SLICES):
            for number in range(envelopes * piece // _SLICES, envelopes * (piece + 1) // _SLICES):
                service = number % _SERVICES
                await producer.send(_USAGE, self._envelope(service, body), b"%d" % service)
            await asyncio.sleep(max(0.0, began_s + lasts_s * (piece + 1) / _SLICES - time.monotonic()))

    def _envelope(self, service: int, body: str) -> bytes:
        sequence = self._sent[service] = self._sent.get(service, -1) + 1
        labels = f'{{"team":"team-{service % 5}","namespace":"shop","service":"svc-{service}"}}'
        return (
            f'{{"source":"agent/{service}","epoch":1,"seq":{sequence},"labels":{labels},"estimates":[{body}]}}'
        ).encode()

    async def _watch(self, where: str, evaluated_s: Callable[[], float], every_s: float) -> None:
        """Note when each bucket is first seen to be judged."""
        seen = self._seen[where]
        while True:
            now_s = await asyncio.to_thread(evaluated_s)
            at_s = time.monotonic()
            for bucket in self._closed:
                # Of what lies between the clock's reading and the lag's, far less than a bucket.
                if bucket not in seen and now_s >= self._base_s + bucket * _BUCKET_S - _BUCKET_S / 2:
                    seen[bucket] = at_s
            await asyncio.sleep(every_s)

    def _api(self) -> float:
        return float(json.loads(self._read("serve", "api/v1/burn?limit=1"))["now_s"])

    def _metrics(self) -> float:
        lags = _LAG.findall(self._read("worker", "metrics").decode())
        judged_s = [time.time() - float(lag) for _, lag in lags]
        return min(judged_s) if len(judged_s) == _PARTITIONS else 0.0

    def _read(self, process: str, path: str) -> bytes:
        port = self._processes[process].ports["serve" if process == "serve" else "metrics"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as answer:
            return bytes(answer.read())


def _estimate(start_ms: int, end_ms: int) -> str:
    return f'{{"start":{start_ms},"end":{end_ms},"driver":"pod_hours","quantity":0.5,"cost_usd":"0.00001"}}'
