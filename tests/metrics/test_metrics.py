"""What a process exports, and that it is what docs/metrics.md says."""

import re
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from stream.errors import UserError
from stream.meter.counters import Counters
from stream.metrics import MAX_RECONCILED, Metrics, serve
from stream.notify.delivery import Outcomes
from stream.schema.alerts import Severity, State
from stream.schema.dead_letters import Reason
from stream.schema.notify_state import Proof
from tests.metrics.exporter import NANO, START_S, alert, counters, feed, feedback, figures, without_budget
from tests.services.service import program

TABLE = Path(__file__).parents[2] / "docs" / "metrics.md"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def series(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples called `name`, by the values of their labels in order of the labels' names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in parse(generate_latest(metrics.registry).decode())
        for sample in family.samples
        if sample.name == name
    }


# -- names and formats


def test_the_table_in_the_docs_is_what_is_exported(metrics: Metrics) -> None:
    feed(metrics, START_S * 1000, 0)
    exported = {}
    for family in metrics.registry.collect():
        if family.name.startswith("process_"):
            continue
        name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        exported[name] = (family.type, family.unit, labels, family.documentation)
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| (\w*) ?\| ([^|]*)\| ([^|]+) \|$", TABLE.read_text(), re.MULTILINE
    )
    documented = {
        name: (kind, unit, sorted(filter(None, re.split(r",? ", labels))), meaning)
        for name, kind, unit, labels, meaning in rows
    }
    assert exported == documented


def test_the_text_is_accepted_by_prometheus_own_linter(metrics: Metrics) -> None:
    feed(metrics, START_S * 1000, 0)
    text = generate_latest(metrics.registry)
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_openmetrics_parses_back_to_the_same_values(metrics: Metrics) -> None:
    feed(metrics, START_S * 1000, 0)
    text = generate_openmetrics(metrics.registry).decode()  # type: ignore[no-untyped-call]
    [cost] = [family for family in parse_openmetrics(text) if family.name == "burnline_cost_usd"]  # type: ignore[no-untyped-call]
    assert (cost.type, cost.unit) == ("counter", "usd")
    assert {sample.labels["scope"]: sample.value for sample in cost.samples}["total"] == 900.0


@pytest.mark.parametrize("scope", ['service=shop/"quoted"', "team=back\\slash", "team=line\nbreak", "team=é"])
def test_any_scope_name_survives_the_text_format(metrics: Metrics, scope: str) -> None:
    metrics.observe_figures([figures(scope, 1.0)])
    assert series(metrics, "burnline_cost_usd_total") == {(scope,): 1.0}


def test_two_objects_share_nothing(metrics: Metrics) -> None:
    other = Metrics(CollectorRegistry())
    other.observe_figures([figures("total", 1.0)])
    assert series(metrics, "burnline_cost_usd_total") == {}


# -- scopes


def test_a_scope_shows_burn_normal_budget_projection_and_scores(metrics: Metrics) -> None:
    metrics.observe_figures([figures("total", 250.0, 100.0)])
    assert series(metrics, "burnline_burn_usd_per_hour") == {
        ("total", window): 250.0 for window in ("5m", "30m", "1h", "2h", "6h", "24h")
    }
    assert series(metrics, "burnline_burn_ratio")["total", "1h"] == 2.5
    assert series(metrics, "burnline_baseline_usd_per_hour") == {("total",): 100.0}
    assert series(metrics, "burnline_budget_remaining_usd") == {("total",): 50_000.0}
    assert series(metrics, "burnline_budget_exhaustion_timestamp_seconds") == {
        ("total",): START_S + 20 * 86_400
    }
    assert series(metrics, "burnline_projection_usd") == {
        ("mean", "total"): 90_000.0,
        ("low", "total"): 85_000.0,
        ("high", "total"): 99_000.0,
    }
    assert series(metrics, "burnline_detector_score") == {("step", "total"): 3.0}  # emergency is below 0.5


def test_what_is_not_known_has_no_series(metrics: Metrics) -> None:
    metrics.observe_figures([without_budget("total", 5.0)])
    for name in ("baseline_usd_per_hour", "burn_ratio", "budget_usd", "budget_remaining_usd",
                 "budget_exhaustion_timestamp_seconds", "projection_usd"):  # fmt: skip
        assert series(metrics, f"burnline_{name}") == {}, name


def test_a_normal_of_zero_gives_no_ratio(metrics: Metrics) -> None:
    metrics.observe_figures([figures("total", 5.0, 0.0)])
    assert series(metrics, "burnline_baseline_usd_per_hour") == {("total",): 0.0}
    assert series(metrics, "burnline_burn_ratio") == {}


def test_each_partition_has_its_own_other_and_they_add_up(metrics: Metrics) -> None:
    metrics.observe_figures([figures("other", 10.0, 4.0)], partition=0)
    metrics.observe_figures([figures("other", 30.0, 6.0), figures("total", 1.0)], partition=1)
    assert series(metrics, "burnline_cost_usd_total") == {("other",): 40.0, ("total",): 1.0}
    assert series(metrics, "burnline_burn_ratio")["other", "5m"] == 4.0
    assert series(metrics, "burnline_scopes") == {(): 2}


def test_scopes_for_reconciliation_alone_are_not_exported(metrics: Metrics) -> None:
    metrics.observe_figures([figures("billing=aws/1234/ec2", 9.0), figures("total", 1.0)])
    assert series(metrics, "burnline_cost_usd_total") == {("total",): 1.0}


def test_over_the_cap_the_biggest_burners_stay_and_the_rest_is_counted() -> None:
    metrics = Metrics(CollectorRegistry(), max_series=200)
    rows = [figures(f"team={number}", float(number)) for number in range(100)]
    rows += [without_budget(scope, 0.0) for scope in ("total", "unmapped", "unpriced", "other")]
    metrics.observe_figures(rows)
    exported = {scope for (scope,) in series(metrics, "burnline_cost_usd_total")}
    teams = sorted(int(scope.partition("=")[2]) for scope in exported if scope.startswith("team="))
    assert exported >= {"total", "unmapped", "unpriced", "other"}
    assert teams == list(range(100 - len(teams), 100))
    # Cost and such, windows twice, interim, normal, budget, end, bounds, score.
    each = 3 + 12 + 1 + 1 + 2 + 1 + 3 + 1
    assert len(teams) == (200 - 4 * (3 + 6 + 1)) // each
    assert series(metrics, "burnline_series_dropped") == {(): (100 - len(teams)) * each}
    assert series(metrics, "burnline_scopes") == {(): 104}


def test_a_short_burst_outranks_a_long_calm() -> None:
    metrics = Metrics(CollectorRegistry(), max_series=30)
    metrics.observe_figures(
        [figures("team=calm", 50.0), figures("team=burst", 1.0, burn_usd_per_hour={300: 400.0, 86400: 2.0})]
    )
    assert list(series(metrics, "burnline_cost_usd_total")) == [("team=burst",)]


def test_under_the_cap_nothing_is_dropped(metrics: Metrics) -> None:
    metrics.observe_figures([figures("total", 1.0)])
    assert series(metrics, "burnline_series_dropped") == {(): 0}


# -- counters


def test_the_terms_of_the_identity_balance_in_events_and_dollars(metrics: Metrics) -> None:
    metrics.observe_counters(3, counters(1000))
    for unit, sent in (("", 1000.0), ("_usd", 100.0)):
        terms = {
            term: series(metrics, f"burnline_estimates_{term}{unit}_total")["3",]
            for term in ("sent", "accepted", "duplicate", "rejected")
        }
        assert terms["sent"] == sent
        assert terms["sent"] == terms["accepted"] + terms["duplicate"] + terms["rejected"]


def test_counters_are_the_restored_values_and_a_copy(metrics: Metrics) -> None:
    restored = Counters(sent_events=5_000_000, rejected_events=1, rejected_by_reason={"too_deep": 1})
    metrics.observe_counters(0, restored)
    restored.sent_events += 1  # the stage goes on; its next commit has not happened
    restored.rejected_by_reason["too_deep"] += 1
    assert series(metrics, "burnline_estimates_sent_total") == {("0",): 5_000_000}
    assert series(metrics, "burnline_dead_letters_total")["0", "too_deep"] == 1


def test_every_reason_for_a_dead_letter_starts_at_zero(metrics: Metrics) -> None:
    metrics.observe_counters(0, Counters())
    assert series(metrics, "burnline_dead_letters_total") == {("0", str(reason)): 0 for reason in Reason}


def test_a_partition_that_went_elsewhere_is_gone(metrics: Metrics) -> None:
    feed(metrics, START_S * 1000, 0)
    metrics.forget("meter", 0, "usage")
    metrics.forget("burn", 0, "spend")
    metrics.forget("alerts", 0, "signals")
    assert list(series(metrics, "burnline_estimates_sent_total")) == [("1",)]
    for name in ("cost_usd_total", "overflow_usd_total", "watermark_lag_seconds", "consumer_lag_records",
                 "alerts"):  # fmt: skip
        assert series(metrics, f"burnline_{name}") == {}, name


# -- the pipeline


def test_the_watermark_lag_grows_while_nobody_reports() -> None:
    clock = iter([100.0, 107.5])
    metrics = Metrics(CollectorRegistry(), monotonic=lambda: next(clock))
    metrics.observe_watermark("burn", 2, watermark_ms=50_000, now_ms=52_500)
    assert series(metrics, "burnline_watermark_lag_seconds") == {("2", "burn"): 10.0}


def test_before_the_first_estimate_there_is_no_lag(metrics: Metrics) -> None:
    metrics.observe_watermark("meter", 0, watermark_ms=-1, now_ms=52_500)
    assert series(metrics, "burnline_watermark_lag_seconds") == {}


def test_alerts_are_counted_by_severity_and_state_zeros_too(metrics: Metrics) -> None:
    assert series(metrics, "burnline_alerts") == {}
    metrics.observe_alerts([alert(), alert(), alert(Severity.TICKET, State.PENDING)])
    assert series(metrics, "burnline_alerts") == {
        ("page", "pending"): 0, ("page", "firing"): 2, ("page", "escalated"): 0, ("page", "acknowledged"): 0,
        ("ticket", "pending"): 1, ("ticket", "firing"): 0, ("ticket", "escalated"): 0,
        ("ticket", "acknowledged"): 0, ("digest", "pending"): 0,
    }  # fmt: skip


def test_what_people_said_is_counted_by_detector_until_it_is_taken_back(metrics: Metrics) -> None:
    metrics.observe_alerts([], [feedback("1"), feedback("2"), feedback("3", ended_s=9)])
    assert series(metrics, "burnline_feedback") == {("step", "false"): 2, ("egress", "false"): 2}


def test_a_digest_is_no_detection(metrics: Metrics) -> None:
    metrics.delivered("pager", alert(Severity.DIGEST), 31.0)
    assert series(metrics, "burnline_detection_latency_seconds_count") == {("pager",): 0}


def test_a_known_destination_starts_at_zero_so_that_its_first_failure_is_an_increase() -> None:
    metrics = Metrics(CollectorRegistry(), destinations=["pager"])
    tries = "burnline_notifications_total"
    outcomes = ("delivered", "failed", "blocked", "refused")
    assert series(metrics, tries) == {("pager", outcome): 0 for outcome in outcomes}
    told: Outcomes = metrics
    told.failed("pager")
    told.blocked("pager")
    told.failed("pager")
    told.delivered("pager", alert(), 42.0)
    told.undeliverable("pager")
    assert series(metrics, tries) == {
        ("pager", "delivered"): 1,
        ("pager", "failed"): 2,
        ("pager", "blocked"): 1,
        ("pager", "refused"): 1,
    }
    buckets = series(metrics, "burnline_detection_latency_seconds_bucket")
    assert (buckets["pager", "40.0"], buckets["pager", "50.0"], buckets["pager", "60.0"]) == (0, 1, 1)


def test_the_end_of_an_alert_is_no_detection(metrics: Metrics) -> None:
    metrics.delivered("pager", alert(), 31.0)
    metrics.delivered("pager", alert(state=State.RESOLVED), 600.0)
    assert series(metrics, "burnline_notifications_total")["pager", "delivered"] == 2
    assert series(metrics, "burnline_detection_latency_seconds_count") == {("pager",): 1}


def test_incidents_and_reconciliation(metrics: Metrics) -> None:
    metrics.observe_incidents({("2026-01-01-1", "total"): 5 * NANO // 2})
    metrics.observe_reconciliation({("aws", "1", "ec2"): 1.04})
    assert series(metrics, "burnline_incident_excess_usd") == {("2026-01-01-1", "total"): 2.5}
    assert series(metrics, "burnline_reconcile_ratio") == {("1", "aws", "ec2"): 1.04}
    metrics.observe_incidents({})
    assert series(metrics, "burnline_incident_excess_usd") == {}


def test_of_too_many_reconciled_keys_the_farthest_from_1_stay(metrics: Metrics) -> None:
    metrics.observe_reconciliation(
        {("aws", str(number), "ec2"): 1 + number / 10_000 for number in range(MAX_RECONCILED + 2)}
    )
    accounts = {account for account, _, _ in series(metrics, "burnline_reconcile_ratio")}
    assert len(accounts) == MAX_RECONCILED
    assert not accounts & {"0", "1"}
    assert series(metrics, "burnline_series_dropped") == {(): 2}


# -- serving


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_scrape_gets_the_metrics_and_closing_frees_the_port(metrics: Metrics) -> None:
    feed(metrics, START_S * 1000, 0)
    exposition = serve(metrics, "127.0.0.1", 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{exposition.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    exposition.close()
    assert "burnline_burn_usd_per_hour" in text
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", exposition.port))


def test_a_scrape_in_the_middle_of_feeding_sees_one_moment(metrics: Metrics) -> None:
    done = threading.Event()

    def keep_feeding() -> None:
        tick = 0
        while not done.is_set():
            feed(metrics, START_S * 1000, tick)
            tick += 1

    feeder = threading.Thread(target=keep_feeding)
    feed(metrics, START_S * 1000, 0)
    feeder.start()
    try:
        for _ in range(20):
            values = {
                sample.name.removeprefix("burnline_estimates_"): sample.value
                for family in metrics.collect()
                for sample in family.samples
                if sample.labels == {"partition": "1"}
            }
            parts = values["accepted_total"] + values["duplicate_total"] + values["rejected_total"]
            assert values["sent_total"] == parts
    finally:
        done.set()
        feeder.join()


def test_a_taken_port_is_one_sentence_that_names_the_setting(metrics: Metrics, taken_port: int) -> None:
    with pytest.raises(
        UserError, match=rf"127\.0\.0\.1:{taken_port}: Address already in use; .*metrics\.port"
    ):
        serve(metrics, "127.0.0.1", taken_port)


def test_an_unknown_host_is_one_sentence_too(metrics: Metrics) -> None:
    with pytest.raises(UserError, match=r"no-such-host\.invalid:0: .*metrics\.host"):
        serve(metrics, "no-such-host.invalid", 0)


def test_how_long_a_destination_fails_grows_by_itself() -> None:
    clock = 0.0
    metrics = Metrics(CollectorRegistry(), monotonic=lambda: clock)
    assert series(metrics, "burnline_destination_proven") == {}
    since = Proof(destination="pager", settings="", since_ms=0, failing_since_ms=10_000)
    metrics.standing(since, now_ms=70_000)
    clock = 30.0
    assert series(metrics, "burnline_destination_failing_seconds") == {("pager",): 90}
    assert series(metrics, "burnline_destination_proven") == {("pager",): 0}
    metrics.standing(Proof(destination="pager", settings="", since_ms=0, proven_ms=70_000), now_ms=70_000)
    clock = 60.0
    assert series(metrics, "burnline_destination_failing_seconds") == {("pager",): 0}
    assert series(metrics, "burnline_destination_proven") == {("pager",): 1}
    metrics.forget_destination("pager")
    assert series(metrics, "burnline_destination_proven") == {}
