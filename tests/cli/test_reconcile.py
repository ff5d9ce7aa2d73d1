"""`burnline reconcile` with a burnline that runs: what the invoice teaches, and that it is taught once."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from stream.cli.main import app
from stream.collect.http import NDJSON
from stream.config import Config, Embedded, Http
from stream.errors import UserError
from stream.notify.page import render
from stream.schema.alerts import Alert
from stream.shell.embedded.service import Service
from tests.collect.files import csv_file, ms
from tests.reconcile.rows import EC2, USAGE, on

DAY_MS = 86_400_000
START_MS = ms("2025-03-01T00:00:00")
HOUR_NUSD = 1_234_567_891  # what one hour is estimated at: no round number
DAY_NUSD = 24 * HOUR_NUSD
FACTOR = Fraction(108, 100)
CALIBRATED_NUSD = 24 * round(HOUR_NUSD * FACTOR)  # each hour is a sum of its own, rounded once
LABELS = {
    "provider": "aws", "account": "111", "cloud_service": "Amazon EC2",
    "team": "payments", "namespace": "shop", "service": "checkout",
}  # fmt: skip


def march(number: int) -> str:
    return f"2025-03-{number:02d}"


@dataclass
class Clock:
    """The service's clock: it stands where the test puts it."""

    ms: int = START_MS

    def __call__(self) -> int:
        return self.ms


@dataclass
class Shell:
    """A service that runs, how to talk to it, and a configuration file that leads there."""

    clock: Clock
    service: Service
    config: Path
    ingest: str
    api: str
    metrics: str
    client: aiohttp.ClientSession
    seq: int = 0

    async def send(self, start_ms: int, end_ms: int, step_ms: int, cost_usd: str, **labels: str) -> None:
        """Estimates of equal cost, one a step, that arrive when the last has ended."""
        self.clock.ms = end_ms
        self.seq += 1
        estimates = [
            {"start": at, "end": at + step_ms, "driver": "pod_hours", "quantity": 1, "cost_usd": cost_usd}
            for at in range(start_ms, end_ms, step_ms)
        ]
        labels = labels or LABELS
        await self.post(
            {"source": "pods", "epoch": start_ms, "seq": self.seq, "labels": labels, "estimates": estimates}
        )

    async def post(self, message: object) -> None:
        headers = {"Authorization": "Bearer secret", "Content-Type": NDJSON}
        async with self.client.post(
            f"{self.ingest}/v1/usage", data=msgspec.json.encode(message), headers=headers
        ) as answer:
            assert answer.status == 202, await answer.text()

    async def day(self, number: int) -> None:
        """A day of March, hour by hour."""
        start_ms = START_MS + (number - 1) * DAY_MS
        await self.send(start_ms, start_ms + DAY_MS, DAY_MS // 24, "1.234567891")

    async def get(self, path: str) -> Any:
        async with self.client.get(self.api + path) as answer:
            return await answer.json()

    async def estimates(self) -> dict[str, tuple[int, int]]:
        """Estimate and its calibrated part by day."""
        rows = (await self.get("/api/v1/estimates?by=billing"))["estimates"]
        assert {(row["provider"], row["account"], row["service"]) for row in rows} == {EC2}
        return {row["day"]: (row["estimate_nusd"], row["calibration_nusd"]) for row in rows}

    async def ratio(self) -> float:
        async with self.client.get(self.metrics) as answer:
            text = await answer.text()
        found = re.search(r'^burnline_reconcile_ratio\{account="111".*\} (\S+)$', text, re.MULTILINE)
        assert found, text
        return float(found[1])

    async def run(self, *words: str) -> Result:
        environment = {"BURNLINE_CONFIG": str(self.config), "COLUMNS": "160"}
        return await asyncio.to_thread(
            lambda: CliRunner().invoke(app, ["reconcile", *words], env=environment)
        )

    async def reconcile(self, file: Path, as_of: int, *words: str) -> dict[str, Any]:
        result = await self.run(str(file), "--as-of", march(as_of), "--json", *words)
        assert result.exit_code == 0, result.exception
        found: dict[str, Any] = json.loads(result.stdout)
        return found


@asynccontextmanager
async def running(folder: Path, clock: Clock) -> AsyncIterator[Shell]:
    """Until the block ends; the same folder again is a restart."""
    config = Config(
        ingest=Http(port=0, token=SecretStr("secret")),
        serve=Http(port=0),
        metrics=Http(port=0),
        embedded=Embedded(commit_every_s=0.2),
    )
    service = Service(config, folder / "burnline.db", clock)
    async with service.ports() as (ingest, api, metrics), aiohttp.ClientSession() as client:
        file = folder / "burnline.yaml"
        file.write_text(f"ingest: {{port: {ingest}, token: secret}}\nserve: {{port: {api}}}\n")
        hosts = [f"http://127.0.0.1:{port}" for port in (ingest, api, metrics)]
        task = asyncio.create_task(service.run())
        try:
            yield Shell(clock, service, file, hosts[0], hosts[1], f"{hosts[2]}/metrics", client)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def invoice(folder: Path, days: Iterable[int], *more: Mapping[str, str]) -> Path:
    """Days that cost 8 % more than estimated; the delivery is packed."""
    cost = f"{DAY_NUSD * 108}e-11"
    assert Fraction(cost) == DAY_NUSD * FACTOR / 10**9
    month = {"BillingPeriodStart": "2025-03-01T00:00:00Z", "BillingPeriodEnd": "2025-04-01T00:00:00Z"}
    prices = dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), cost)
    rows = [*(on(march(number), **prices) for number in days), *more]
    table = [{**USAGE, **month, **row} for row in rows]
    return csv_file(folder / "focus.csv.gz", list(table[0]), [list(row.values()) for row in table])


def other(number: int, usd: str, **kind: str) -> dict[str, str]:
    """A row that is no plain usage."""
    return on(march(number), BilledCost=usd, EffectiveCost=usd, ListCost=usd, ContractedCost=usd) | kind


CREDIT = other(2, "-5", ChargeCategory="Credit")
CORRECTION = other(3, "-1", ChargeClass="Correction")
UNUSED = other(4, "3", CommitmentDiscountStatus="Unused")
TAX = other(5, "2.5", ChargeCategory="Tax")
OTHERS = (CREDIT, CORRECTION, UNUSED, TAX)


async def test_a_factor_is_learnt_once_and_holds(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, clock) as shell:
        for number in range(1, 7):
            await shell.day(number)
        file = invoice(tmp_path, range(1, 6), *OTHERS)

        found = await shell.reconcile(file, 8)
        assert found["applied"] is False
        (key,) = found["keys"]
        assert (key["provider"], key["account"], key["service"]) == EC2
        assert (key["days"], key["matched_days"], key["estimate_nusd"]) == (5, 5, 5 * DAY_NUSD)
        assert key["lines_nusd"] == {
            "usage_matched": round(5 * DAY_NUSD * FACTOR),
            "unused_commitment": 3 * 10**9,
            "credit": -5 * 10**9,
            "tax": 25 * 10**8,
            "correction": -(10**9),
        }
        assert sum(key["lines_nusd"].values()) == key["billed_nusd"]
        assert sum(key["reasons_nusd"].values()) == key["difference_nusd"]
        (factor,) = found["new_factors"]
        assert (factor["factor"], factor["days"], factor["instead_of"]) == ("1.0800", 4, None)
        assert (await shell.get("/api/v1/calibrations"))["calibrations"] == []

        applied = await shell.reconcile(file, 8, "--apply")
        assert applied == found | {"applied": True}
        (held,) = (await shell.get("/api/v1/calibrations"))["calibrations"]
        assert held == {name: value for name, value in factor.items() if name != "instead_of"}
        assert await shell.estimates() == {march(number): (DAY_NUSD, 0) for number in range(1, 7)}
        assert await shell.ratio() == pytest.approx(1.08 - 10**9 / (5 * DAY_NUSD), abs=1e-9)

        for number in range(7, 11):
            await shell.day(number)
        added = CALIBRATED_NUSD - DAY_NUSD
        assert (await shell.estimates())[march(10)] == (CALIBRATED_NUSD, added)
        for scope in ("total", "team=payments", "service=shop/checkout"):
            (figures,) = (await shell.get(f"/api/v1/burn?scope={scope}"))["scopes"]
            assert figures["calibration"] == pytest.approx(1.08, abs=1e-8), scope

        # The next delivery of the month: neither undone (1.00) nor compounded (1.1664).
        again = await shell.reconcile(invoice(tmp_path, range(1, 11), *OTHERS), 13, "--apply")
        assert again["new_factors"] == []
        (key,) = again["keys"]
        assert (key["calibration"]["factor"], key["calibration_why"]) == (
            "1.0800",
            "changed by at most 0.5 %",
        )
        assert key["reasons_nusd"]["calibration"] == -4 * added
        assert len((await shell.get("/api/v1/calibrations"))["calibrations"]) == 1
        before = await shell.ratio()

        shell.seq -= 1
        await shell.send(
            clock.ms - DAY_MS, clock.ms, DAY_MS, "1"
        )  # under a sequence that was taken: a repeat
        identity = await shell.get("/api/v1/identity")
        assert identity["balanced"] is True
        assert identity["duplicate"] == {"events": 1, "nusd": 1_080_000_000}
        assert identity["accepted"]["nusd"] == 6 * DAY_NUSD + 4 * CALIBRATED_NUSD

    async with running(tmp_path, clock) as shell:
        assert (await shell.get("/api/v1/calibrations"))["calibrations"] == [held]
        assert await shell.ratio() == before
        shell.seq = 100
        await shell.day(11)
        assert (await shell.estimates())[march(11)] == (CALIBRATED_NUSD, added)
        await shell.day(20)
        # What the factor added is known for as long as the estimate itself.
        assert (await shell.estimates())[march(7)] == (CALIBRATED_NUSD, added)
        assert (await shell.get("/api/v1/identity"))["balanced"] is True


async def test_a_page_says_that_an_invoice_calibrated_it(tmp_path: Path) -> None:
    async with running(tmp_path, Clock()) as shell:
        for number in range(1, 7):
            await shell.day(number)
        await shell.reconcile(invoice(tmp_path, range(1, 6)), 8, "--apply")
        await shell.day(7)
        start_ms = shell.clock.ms
        for step in range(6):
            await shell.send(start_ms + step * 10_000, start_ms + (step + 1) * 10_000, 10_000, "20")
        alerts = msgspec.convert((await shell.get("/api/v1/alerts"))["alerts"], list[Alert])
        pages = [render(alert) for alert in alerts if alert.severity == "page"]
        assert pages
        for page in pages:
            assert "; estimates calibrated ×1.08 by invoices" in page


async def test_people_are_told_what_would_change_and_what_has(tmp_path: Path) -> None:
    async with running(tmp_path, Clock()) as shell:
        for number in range(1, 7):
            await shell.day(number)
        file = invoice(tmp_path, range(1, 6), *OTHERS)
        asked = (await shell.run(str(file), "--as-of", march(8))).stdout
        assert "aws / 111 / Amazon EC2" in asked
        assert re.search(r"unused commitment +│ +3.00", asked)
        assert asked.endswith(
            "Nothing was changed. --apply would write 9 invoice lines, 5 variances, 1 new factor.\n"
            "  aws / 111 / Amazon EC2: the factor would be 1.0800, the first one "
            "(4 days, 2025-03-02 to 2025-03-05)\n"
        )
        told = (await shell.run(str(file), "--as-of", march(8), "--apply")).stdout
        assert "Written: 9 invoice lines, 5 variances, 1 new factor.\n" in told
        assert "the factor is now 1.0800, the first one" in told


async def test_saved_estimates_need_no_burnline_that_runs(tmp_path: Path) -> None:
    file = invoice(tmp_path, range(1, 6))
    saved = tmp_path / "estimates.json"
    async with running(tmp_path, Clock()) as shell:
        for number in range(1, 7):
            await shell.day(number)
        live = await shell.reconcile(file, 8)
        saved.write_text(json.dumps(await shell.get("/api/v1/estimates?by=billing")))
    assert await shell.reconcile(file, 8, "--estimates", str(saved)) == live
    # Nobody runs on its database any more, so that can be asked itself.
    assert await shell.reconcile(file, 8, "--database", str(tmp_path / "burnline.db")) == live


async def test_a_long_invoice_goes_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stream.cli import reconcile as command

    monkeypatch.setattr(command, "PIECE_BYTES", 2000)  # about three lines
    async with running(tmp_path, Clock()) as shell:
        await shell.day(1)
        await shell.reconcile(invoice(tmp_path, range(1, 11)), 15, "--apply")
        database = shell.service.node.database
        lines = [json.loads(value) for value in database.values("invoices")]
        assert [line["row"] for line in lines] == list(range(1, 11))
        assert database.end("variances") == 10


async def test_every_mistake_is_a_sentence(tmp_path: Path) -> None:
    file = str(invoice(tmp_path, range(1, 6)))
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"estimates": [{"day": 1}]}')
    cases = [
        (["--database", str(tmp_path / "no.db")], "make it with `burnline replay FILE --database"),
        (["--estimates", str(tmp_path / "no.json")], "name an existing file"),
        (["--estimates", str(wrong)], "save what /api/v1/estimates?by=billing answers"),
        (["--estimates", "a", "--database", "b"], "leave one out"),
        (["--apply", "--database", "b"], "leave out --apply"),
        (["--apply", "--url", "http://127.0.0.1:1"], "say where to write with --ingest-url"),
        (["--as-of", "soon"], "'soon' is no time"),
        (["--url", "http://127.0.0.1:1"], "nothing answers at http://127.0.0.1:1"),
        (["--apply", "--ingest-url", "http://127.0.0.1:1"], "with --ingest-url; not all is written"),
    ]
    async with running(tmp_path, Clock()) as shell:
        await shell.day(1)
        for words, sentence in cases:
            await refused(shell, [file, *words], sentence)
        await refused(shell, [str(tmp_path / "no.csv")], "cannot be read")
        await refused(
            shell, [file, "--database", str(tmp_path / "burnline.db")], "another burnline runs on it"
        )
        shell.config.write_text(shell.config.read_text().replace("secret", "wrong"))
        await refused(shell, [file, "--apply"], "(BURNLINE_INGEST__TOKEN); not all is written")
        assert shell.service.node.database.end("invoices") == 0


async def refused(shell: Shell, words: list[str], sentence: str) -> None:
    result = await shell.run(*words)
    assert isinstance(result.exception, UserError), (words, result.output, result.exception)
    assert sentence in str(result.exception)
    assert "\n" not in str(result.exception)


def test_help_has_an_example() -> None:
    text = CliRunner().invoke(app, ["reconcile", "--help"], env={"COLUMNS": "200"}).output
    assert "Example: burnline reconcile focus_2026-11.csv.gz --apply" in text
    assert "--json" in text
