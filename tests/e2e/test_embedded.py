"""The embedded shell as its users run it: HTTP in, a page at a real Alertmanager, a real Prometheus."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import yaml

from stream.demo.estate import Estate
from stream.schema import deploys
from tests.services import AlertmanagerServer, PrometheusServer
from tests.services.http import get_json as _get_json
from tests.services.ports import free_ports

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
ROUTES = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@contextmanager
def running(config: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "stream.cli.main", "run", "--config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        for expected in ("database", "reader", "ingest", "console", "metrics"):
            assert process.stdout.readline().startswith(expected)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(20)


def get_json(url: str) -> Any:
    return _get_json(url)


def post(port: int, topic: str, lines: list[bytes]) -> None:
    request = Request(
        f"http://127.0.0.1:{port}/v1/{topic}",
        data=b"\n".join(lines),
        headers={"Content-Type": "application/x-ndjson"},
    )
    with urlopen(request, timeout=60) as answer:
        assert answer.status == 202


def until(check: Callable[[], Any], what: str, patience_s: float = 60) -> Any:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what} did not come within {patience_s} s")


def test_a_runaway_reaches_alertmanager_prometheus_and_survives_a_restart(
    tmp_path: Path,
    alertmanager: Callable[[str], AlertmanagerServer],
    prometheus: Callable[..., PrometheusServer],
) -> None:
    manager = alertmanager(ROUTES)
    ingest, serve, metrics = free_ports(3)
    demo = yaml.safe_load((Path("stream/demo") / "burnline.yaml").read_text())
    config = tmp_path / "burnline.yaml"
    settings = demo | {
        "ingest": {"port": ingest},
        "serve": {"port": serve},
        "metrics": {"port": metrics},
        "embedded": {"database": str(tmp_path / "burnline.db")},
        "notify": {"destinations": [{"kind": "alertmanager", "url": manager.url}]},
    }
    config.write_text(yaml.safe_dump(settings))
    monitor = prometheus(
        "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: burnline\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{metrics}']}}]\n"
    )
    now_ms = time.time_ns() // 1_000_000 // MINUTE_MS * MINUTE_MS
    live_ms = now_ms - 8 * MINUTE_MS
    estate = Estate(3, live_ms - 10 * DAY_MS)
    estate.runaway(live_ms + 3 * MINUTE_MS)
    with running(config) as process:
        history = [message.value for message in estate.messages(live_ms - 10 * DAY_MS, live_ms, 3600)]
        for first in range(0, len(history), 200):  # a body may have 8 MiB
            post(ingest, "usage", history[first : first + 200])
        changes = estate.deploys(live_ms - 10 * MINUTE_MS, now_ms)
        post(ingest, "deploys", [deploys.encode(change) for change in changes])
        for at_ms in range(live_ms, now_ms, 10_000):
            post(ingest, "usage", [m.value for m in estate.messages(at_ms, at_ms + 10_000, 10)])

        def told(severity: str) -> list[Any]:
            found = get_json(f"{manager.url}/api/v2/alerts")
            assert {alert["labels"]["severity"] for alert in found} <= {"page", "digest"}
            return [alert for alert in found if alert["labels"]["severity"] == severity]

        alerts = until(lambda: told("page"), "a page at Alertmanager")
        assert [alert["labels"]["scope"] for alert in alerts] == ["service=shop/checkout"]
        assert "checkout" in alerts[0]["annotations"]["description"]
        identity = get_json(f"http://127.0.0.1:{serve}/api/v1/identity")
        assert identity["balanced"] and identity["rejected"]["events"] == 0

        def value(query: str) -> float | None:
            found = get_json(f"{monitor.url}/api/v1/query?{urlencode({'query': query})}")["data"]["result"]
            return float(found[0]["value"][1]) if found else None

        until(lambda: value("burnline_detection_latency_seconds_count"), "the latency in Prometheus")
        assert value("burnline_estimates_sent_total - burnline_estimates_accepted_total") == 0
        before = get_json(f"http://127.0.0.1:{serve}/api/v1/burn?scope=total")["scopes"][0]["total_nusd"]
    assert process.returncode == 0
    with running(config):
        after = get_json(f"http://127.0.0.1:{serve}/api/v1/burn?scope=total")["scopes"][0]["total_nusd"]
        assert after == before
        standing = get_json(f"http://127.0.0.1:{serve}/api/v1/alerts")["alerts"]
        assert [one["scope"] for one in standing if one["severity"] == "page"] == ["service=shop/checkout"]


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    ingest, serve, metrics = free_ports(3)
    config = tmp_path / "burnline.yaml"
    config.write_text(
        json.dumps(
            {
                "ingest": {"port": ingest},
                "serve": {"port": serve},
                "metrics": {"port": metrics},
                "embedded": {"database": str(tmp_path / "one.db")},
            }
        )
    )
    with running(config):
        command = [sys.executable, "-m", "stream.cli.main", "run", "-c", str(config), "--database", "two.db"]
        second = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )  # fmt: skip
    assert second.returncode == 2
    assert second.stderr.startswith("burnline: cannot ")
    assert "Traceback" not in second.stderr
    assert str(metrics) in second.stderr
