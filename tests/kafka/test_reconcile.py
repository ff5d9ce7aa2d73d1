"""`burnline reconcile --apply` against `burnline serve`: the meters take the factor up while they run."""

import asyncio
import json
from pathlib import Path

from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from typer.testing import CliRunner

from stream.cli.main import app
from stream.config import Config, Http, Kafka
from stream.metrics import Metrics
from stream.schema import topics
from stream.schema.calibrations import Calibration
from stream.schema.invoices import DAY_MS, day_name
from stream.serve.views import DAYS_HELD, Views
from stream.shell.kafka.partition import now_ms
from stream.shell.kafka.serve import ServeService
from tests.collect.files import csv_file
from tests.kafka.test_serve import meter, worker
from tests.kafka.test_services import running, until
from tests.reconcile.rows import EC2, USAGE, on

HOUR_MS = DAY_MS // 24
LABELS = {"provider": EC2[0], "account": EC2[1], "cloud_service": EC2[2]}


def day(number: int) -> bytes:
    """24 hours of 1 USD, in one message."""
    hours = range(number * DAY_MS, (number + 1) * DAY_MS, HOUR_MS)
    estimates = [{"start": at, "end": at + HOUR_MS, "driver": "pod_hours", "cost_usd": "1"} for at in hours]
    message = {"source": "pods", "epoch": 1, "seq": number, "labels": LABELS, "estimates": estimates}
    return json.dumps(message).encode()


def invoice(folder: Path, days: range) -> Path:
    """24 USD were estimated, 30 are billed."""
    costs = dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), "30")
    rows = [{**USAGE, **on(day_name(number), **costs)} for number in days]
    return csv_file(folder / "focus.csv", list(rows[0]), [list(row.values()) for row in rows])


async def test_a_factor_reaches_the_meters_that_run(cluster: Kafka, tmp_path: Path) -> None:
    today = now_ms() // DAY_MS
    token = SecretStr("secret")
    config = Config(kafka=cluster, ingest=Http(port=0, token=token), serve=Http(port=0))
    serve = ServeService(config, Metrics(CollectorRegistry()))
    views = Views(serve.replica)

    def estimated() -> dict[str, tuple[int, int]]:
        rows = views.estimates(DAYS_HELD)["estimates"]
        return {row["day"]: (row["estimate_nusd"], row["calibration_nusd"]) for row in rows}

    async with running(serve, meter(cluster), *worker(cluster)):
        billed = range(today - 7, today - 2)
        await serve.accept(topics.USAGE, [day(number) for number in billed])
        await until(lambda: len(estimated()) == len(billed))

        ingest, api = serve.ports
        file = tmp_path / "burnline.yaml"
        file.write_text(f"ingest: {{port: {ingest}, token: secret}}\nserve: {{port: {api}}}\n")
        words = ["reconcile", str(invoice(tmp_path, billed)), "--apply", "--json", "--config", str(file)]
        result = await asyncio.to_thread(lambda: CliRunner().invoke(app, words))
        assert result.exit_code == 0, result.exception
        (factor,) = json.loads(result.stdout)["new_factors"]
        assert (factor.pop("instead_of"), factor["factor"], factor["days"]) == (None, "1.2500", 4)
        await until(lambda: serve.replica.calibrations() == [Calibration(**factor)])
        await until(lambda: serve.replica.ratios.by_key() == {EC2: 1.25})

        # A meter looks for new factors once a second: the same day again, until one has met it.
        for epoch in range(2, 62):
            again = day(today - 2).replace(b'"epoch": 1', b'"epoch": %d' % epoch)
            await serve.accept(topics.USAGE, [again])
            if estimated().get(day_name(today - 2), (0, 0))[1]:
                break
            await asyncio.sleep(0.5)

        def exact() -> bool:
            estimate_nusd, added_nusd = estimated()[day_name(today - 2)]
            sent_nusd = estimate_nusd - added_nusd
            return 0 < added_nusd <= sent_nusd / 4 and added_nusd % 10**9 == sent_nusd % (24 * 10**9) == 0

        await until(exact)
