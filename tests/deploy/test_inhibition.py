"""A real Alertmanager with our configuration: which alerts are kept back by which."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from tests.services import AlertmanagerServer
from tests.services.http import get_json, post_json

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"


async def test_a_fast_burn_keeps_back_the_slower_tiers_of_its_own_scope_only(
    alertmanager: Callable[[str], AlertmanagerServer],
) -> None:
    server = alertmanager(CONFIGURATION.read_text())
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    alerts = [
        {"alertname": "burnline", "severity": "page", "tier": "fast", "scope": "service=shop/checkout"},
        {"alertname": "burnline", "severity": "ticket", "tier": "slow", "scope": "service=shop/checkout"},
        {"alertname": "burnline", "severity": "page", "tier": "day", "scope": "service=shop/checkout"},
        {"alertname": "burnline", "severity": "ticket", "tier": "slow", "scope": "team=payments"},
        {"alertname": "BurnlineDeadLetters", "severity": "ticket", "reason": "too_deep"},
        {"alertname": "BurnlineBlind", "severity": "page", "stage": "meter"},
        {"alertname": "BurnlineWatermarkLag", "severity": "ticket", "stage": "meter", "partition": "0"},
        {"alertname": "BurnlineWatermarkLag", "severity": "ticket", "stage": "burn", "partition": "0"},
    ]
    post_json(f"{server.url}/api/v2/alerts", [{"labels": labels, "endsAt": until} for labels in alerts])
    inhibited: list[dict[str, str]] = []
    while len(inhibited) < 3:  # an alert's state is settled when its group is first looked at
        await asyncio.sleep(0.2)
        listed = cast(list[dict[str, Any]], get_json(f"{server.url}/api/v2/alerts"))
        assert len(listed) == len(alerts)
        inhibited = [alert["labels"] for alert in listed if alert["status"]["inhibitedBy"]]
    assert sorted(inhibited, key=alerts.index) == [alerts[1], alerts[2], alerts[6]]
