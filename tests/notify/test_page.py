"""The text of a page, against golden files. `pytest tests/notify --update-golden` writes them anew."""

import msgspec
import pytest

from stream.alerts.contain import Containment
from stream.config import Config
from stream.notify.page import render
from stream.schema.alerts import Alert, Severity
from tests.notify.golden import check
from tests.notify.pages import NANO, RUNAWAY, T0, alert, resolution, share

WIDE = alert(
    scope="team=payments",
    summary="team=payments burns $700/h, normally $300/h (×2.3); $1,204 beyond normal since 31 Dec 20:00 UTC",
    reason="It burnt $700/h over 1 h and $650/h over 6 h, more than 2 times normal in both.",
    severity=Severity.TICKET,
    tier="slow",
    dedup_key=f"team=payments@{T0}/ticket-slow",
    onset_s=T0 - 18 * 3600,
    excess_nusd=1_204 * NANO,
    burn_usd_per_hour=700.0,
    baseline_usd_per_hour=300.0,
    children=(share("service=shop/checkout", 61, 30), share("service=shop/cart", 22, 3)),
    attached=(),
    blame=None,
    budget_exhaustion_s=T0 - 3600,
)
WIDE = Containment(Config()).told(msgspec.structs.replace(WIDE, labels={"team": "payments"}))
KNOWS_LITTLE = alert(
    summary="service=shop/checkout burns $412/h, what is normal is not known yet; "
    "$33 beyond normal since 14:02 UTC",
    tier="",
    baseline_usd_per_hour=None,
    baseline_kind="none",
    projection_usd=None,
    projection_low_usd=None,
    projection_high_usd=None,
    budget_usd=None,
    budget_exhaustion_s=None,
    calibration=1.0,
    drivers=(),
    attached=(),
    blame=None,
)
NAMELESS = Containment(Config()).told(msgspec.structs.replace(WIDE, children=(), labels={"team": "payments"}))
SILENT = alert(
    about="meter",
    scope="source=opencost/eu-1",
    labels={},
    detectors=("metering-gap",),
    severity=Severity.TICKET,
    tier="",
    summary="opencost/eu-1 has been silent for 5 min; its last rate was $31.20/h",
    reason="opencost/eu-1 has been silent for 5 min; its last rate was $31.20/h. That rate is carried "
    "forward as interim for 55 min more. It used to speak every 10 s. It fed 12 scopes, most of all "
    "service=shop/web.",
    burn_usd_per_hour=31.2,
    runbook_url="https://example.com/burnline/runbooks/metering-gap",
    dedup_key=f"source=opencost/eu-1@{T0}/ticket",
    drivers=(),
    attached=(),
    blame=None,
)
PAGES = {
    "nameless": NAMELESS,
    "silent_source": SILENT,
    "runaway": RUNAWAY,
    "wide_ticket": WIDE,
    "knows_little": KNOWS_LITTLE,
    "resolved": resolution(RUNAWAY),
}


@pytest.mark.parametrize("name", PAGES)
def test_page(name: str, update_golden: bool) -> None:
    check(f"{name}.txt", render(PAGES[name]), update_golden)


def test_the_fullest_page_fits_on_a_screen() -> None:
    many = tuple(share(f"driver_{index}", 10, 5) for index in range(20))
    fullest = alert(
        drivers=many, children=many, attached=RUNAWAY.attached * 20, reason="a reason\nthat is long " * 100
    )
    lines = render(fullest).splitlines()
    assert len(lines) <= 32
    assert max(map(len, lines)) < 320


def test_no_label_can_break_a_line() -> None:
    """Names come from outside; a forged line could carry a false runbook."""
    evil = "a\nrunbook        https://evil.example.com"
    page = render(alert(scope=evil, summary=f"{evil} burns", drivers=(share(evil, 1, 1),)))
    assert len(page.splitlines()) == len(render(alert(drivers=RUNAWAY.drivers[:1])).splitlines())


def test_every_figure_of_design_is_there() -> None:
    def lacks(text: str, page: Alert) -> bool:
        return text not in render(page)

    for text in (
        "$412/h",
        "normally $21/h",
        "$33 so far",
        "$18,240 ($15,300 to $21,100)",
        "budget",
        "$10,000",
        "1 Jan 14:02 UTC",
        "pod_hours",
        "egress_bytes",
        "log_bytes",
        "checkout v42",
        "77% likely",
        "hour of week",
        "×1.04",
        "told 31 s after",
        RUNAWAY.runbook_url,
        RUNAWAY.console_url,
        RUNAWAY.dedup_key,
    ):
        assert not lacks(text, RUNAWAY), text
