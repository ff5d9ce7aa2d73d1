"""A collector is killed: a ticket says so, what it fed is shown as interim, and both end when it is back."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.embedded.running import Running
from tests.services.http import get_json
from tests.services.producer import TOLD_MS, USD_PER_MS, producing

# On a busy machine a collector may look as if it had no cadence: it is then missed as soon.
SETTINGS: dict[str, Any] = {
    "detectors": {"metering-gap": {"least_s": 3, "irregular_s": 3}},
    "alerts": {"ticket_for_s": 0, "hold_s": 0},
    "burn": {"idle_after_s": 2},
}


def until(running: Running, path: str, wanted: Any) -> Any:
    """What the API says once it is `wanted`; the test's own timeout is the limit."""
    while True:
        with suppress(HTTPError):  # nothing is known of the scope yet
            found = get_json(f"http://127.0.0.1:{running.ports['serve']}/api/v1/{path}")
            if wanted(found):
                return found
        time.sleep(0.2)


def is_known(found: Any) -> bool:
    """Whether what it spent is in, up to now."""
    burn = found["scopes"][0]["burn_usd_per_hour"]["300"] if found["scopes"] else 0
    return bool(found["now_s"] > time.time() - 20 and burn > 300)


def gap(found: Any, state: str) -> bool:
    return [one["state"] for one in found["alerts"] if one["scope"] == "source=eu-1"] == [state]


def test_a_killed_collector_is_told_and_its_rate_carried_forward(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    running = Running(tmp_path, **SETTINGS)
    assert running.start()
    request.addfinalizer(running.kill)
    url = f"http://127.0.0.1:{running.ports['ingest']}/v1/usage"
    of_service = "burn?scope=service=shop/eu-1"
    began_ms = time.time_ns() // 1_000_000
    with producing("us-1", url):
        with producing("eu-1", url, began_ms) as dying:
            until(running, of_service, is_known)
            dying.kill()
        told = until(running, "alerts", lambda found: gap(found, "firing"))
        [ticket] = [one for one in told["alerts"] if one["scope"] == "source=eu-1"]
        assert (ticket["severity"], ticket["about"], ticket["detectors"]) == (
            "ticket",
            "meter",
            ["metering-gap"],
        )
        assert ticket["summary"].startswith("eu-1 has been silent for ")
        shown = until(running, of_service, lambda found: found["state"] == "interim")["scopes"][0]
        assert shown["interim_usd_per_hour"]["300"] > 0
        assert shown["burn_usd_per_hour"]["300"] > shown["interim_usd_per_hour"]["300"]
        sent_ms = ticket["onset_s"] * 1000 - (began_ms - TOLD_MS)
        sent_nusd = pytest.approx(sent_ms * USD_PER_MS * 1e9, abs=1000 * USD_PER_MS * 1e9)
        assert shown["total_nusd"] == sent_nusd  # within the second to which the onset is known
        with producing("eu-1", url):
            until(
                running,
                "alerts",
                lambda found: not [one for one in found["alerts"] if one["scope"] == "source=eu-1"],
            )
            until(running, of_service, lambda found: found["state"] == "estimated")
