"""`burnline demo`: what a person sees within a minute."""

import re
import subprocess
import sys


def demo(*options: str) -> str:
    command = [sys.executable, "-m", "stream.cli.main", "demo", "--speed", "1000", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert done.stderr == ""
    return done.stdout


def test_the_demo_ends_with_one_complete_page_for_the_service_that_ran_away() -> None:
    shown = demo()
    assert "0 alerts in the last three" in shown
    pages = [line for line in shown.splitlines() if line.startswith("PAGE ")]
    assert len(pages) == 1
    assert pages[0].startswith("PAGE service=shop/checkout burns $")
    page = " ".join(re.findall(r"│ (.*?) *│", shown))
    for fact in (
        r"burn +\$\d+/h, normally \$\d",
        r"beyond normal +\$\d",
        r"month +\$[\d,]+ \(\$[\d,]+ to \$[\d,]+\) if it goes on like this",
        r"budget +\$5,600",
        r"began .*UTC; told \d+ s after the spend",
        r"last 60 min +pod_hours \$",
        r"deploy +checkout .* autoscaling target .* likely to blame",
        r"how sure +baseline by hour of",
        r"runbook +http://127\.0\.0\.1:9107/runbooks/step",
        r"console +http://127\.0\.0\.1",
        r"key +service=shop/checkout@\d+/page-fast",
    ):
        assert re.search(fact, page), fact


def test_the_burn_rate_is_seen_to_climb_and_nothing_is_lost() -> None:
    shown = demo("--seed", "7")
    rates = [int(rate) for rate in re.findall(r"total \$(\d+)/h", shown)]
    assert rates[-1] > 1.5 * rates[0]
    numbers = re.search(
        r"([\d,]+) estimates sent\s+=\s+([\d,]+) accepted\s+\+\s+0\s+duplicate\s+\+\s+0\s+rejected", shown
    )
    assert numbers is not None
    assert numbers[1] == numbers[2]
