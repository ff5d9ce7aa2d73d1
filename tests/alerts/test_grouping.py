"""One cause, one page."""

import pytest

from stream.config import Config
from stream.config_alerts import Alerting
from stream.schema.alerts import Alert, Severity, State
from stream.schema.signals import Share, Signal
from tests.alerts.estate import NANO, RULES, Estate, shares, signal

CHECKOUT, CART, SHOP, TEAM = "service=shop/checkout", "service=shop/cart", "namespace=shop", "team=payments"


def service(scope: str = CHECKOUT, excess: float = 400, severity: str = "page") -> Signal:
    return signal(scope, severity, burn=excess + 20, normal=20)


def namespace(excess: float = 400, severity: str = "page", **parts: float) -> Signal:
    return signal(SHOP, severity, burn=excess + 100, normal=100, children=shares(**parts))


def team(excess: float = 400, severity: str = "page", **parts: float) -> Signal:
    return signal(TEAM, severity, burn=excess + 300, normal=300, children=shares(**parts))


def total(excess: float = 400, severity: str = "page", **parts: float) -> Signal:
    return signal("total", severity, burn=excess + 5000, normal=5000, children=shares(**parts))


def scopes(sent: list[Alert]) -> list[tuple[str, State]]:
    return [(alert.scope, alert.state) for alert in sent]


def attached(alert: Alert) -> list[str]:
    return [scope.scope for scope in alert.attached]


def test_a_service_that_explains_all_wider_scopes_is_the_only_page() -> None:
    estate = Estate()
    estate.say(
        service(),
        namespace(service_shop__checkout=30),
        team(service_shop__checkout=30),
        signal("account=1234", children=shares(namespace_shop=30), burn=900, normal=500),
        total(team_payments=30),
    )
    [page] = estate.wait(300)
    assert page.scope == CHECKOUT
    assert attached(page) == ["account=1234", SHOP, TEAM, "total"]
    assert page.attached[1].burn_usd_per_hour == 500


def test_labels_alone_relate_a_service_to_its_namespace_and_the_total() -> None:
    estate = Estate()
    estate.say(service(), namespace(), total())
    assert scopes(estate.wait(300)) == [(CHECKOUT, State.FIRING)]


def test_a_team_is_related_to_a_service_by_its_list_of_parts_only() -> None:
    estate = Estate()
    estate.say(service(), team())
    assert scopes(estate.wait(300)) == [(CHECKOUT, State.FIRING), (TEAM, State.FIRING)]


def test_a_namespace_explains_a_team_whose_parts_lie_in_it() -> None:
    estate = Estate()
    one, two = namespace(service_shop__a=10, service_shop__b=10), team(service_shop__a=10, service_shop__b=10)
    estate.say(one, two)
    assert scopes(estate.wait(300)) == [(SHOP, State.FIRING)]


def test_two_services_that_go_up_independently_make_two_pages_and_none_for_what_they_share() -> None:
    estate = Estate()
    estate.say(service(CHECKOUT, 210), service(CART, 190), namespace(400), total(400))
    pages = estate.wait(300)
    assert scopes(pages) == [(CART, State.FIRING), (CHECKOUT, State.FIRING)]
    assert attached(pages[1]) == [SHOP, "total"], "they hang on the larger one"


def test_an_excess_that_no_part_explains_is_a_page_on_the_wide_scope() -> None:
    estate = Estate()
    estate.say(service(CHECKOUT, 50), namespace(400))
    assert scopes(estate.wait(300)) == [(SHOP, State.FIRING), (CHECKOUT, State.FIRING)]


def test_scopes_that_overlap_do_not_explain_more_together() -> None:
    """The same 40 % of the total, seen as a namespace and as a team, is still 40 %."""
    estate = Estate()
    estate.say(signal("account=1", burn=160, normal=0), namespace(160), total(400))
    assert ("total", State.FIRING) in scopes(estate.wait(300))


@pytest.mark.parametrize(("excess", "pages"), [(239, 2), (240, 1)])
def test_the_share_that_explains_is_the_configured_one(excess: float, pages: int) -> None:
    estate = Estate(Config(alerts=RULES.model_copy(update={"explains": 0.6})))
    estate.say(service(CHECKOUT, excess), namespace(400))
    assert len(estate.wait(300)) == pages


def test_a_cause_found_within_the_group_wait_pages_without_delay() -> None:
    estate = Estate()
    assert estate.say(namespace()) == []
    assert estate.say(service()) == []
    [page] = estate.say()
    assert (page.scope, page.state, attached(page)) == (CHECKOUT, State.FIRING, [SHOP])
    assert page.time_s - page.spent_ms // 1000 == RULES.page_for_s, "the wide scope's time counts"
    assert estate.wait(300) == []


def test_the_group_wait_can_be_longer_than_the_hold() -> None:
    rules = Alerting(page_for_s=20, group_wait_s=50)
    estate = Estate(Config(alerts=rules))
    estate.say(namespace())
    assert estate.wait(40) == []
    assert scopes(estate.say()) == [(SHOP, State.FIRING)]


def test_a_service_waits_for_nothing_narrower() -> None:
    estate = Estate(Config(alerts=Alerting(page_for_s=20, group_wait_s=50)))
    estate.say(service())
    assert scopes(estate.wait(20)) == [(CHECKOUT, State.FIRING)]


def test_a_cause_found_after_the_wide_scope_has_rung_joins_it() -> None:
    """What has rung is not moved: no second page for the same trouble."""
    estate = Estate()
    estate.say(namespace())
    assert scopes(estate.wait(60)) == [(SHOP, State.FIRING)]
    estate.say(service())
    assert estate.wait(300) == []
    [shop] = estate.stage.active()
    assert attached(shop) == [CHECKOUT]


def test_a_cause_of_a_ticket_that_is_itself_a_page_does_page() -> None:
    """A ticket rang nobody, so the page goes to the specific scope; the ticket ends by itself, once."""
    estate = Estate()
    estate.say(namespace(severity="ticket"))
    assert [alert.severity for alert in estate.wait(60)] == [Severity.TICKET]
    estate.say(namespace(), service())
    [page] = estate.wait(60)
    assert (page.scope, page.severity, attached(page)) == (CHECKOUT, Severity.PAGE, [SHOP])
    estate.say(namespace(severity="none"), service(severity="none"))
    assert scopes(estate.wait(200)) == [(SHOP, State.RESOLVED), (CHECKOUT, State.RESOLVED)]


def test_a_page_never_hides_behind_a_ticket() -> None:
    estate = Estate()
    estate.say(namespace(severity="ticket"))
    estate.wait(60)
    estate.say(service())
    assert scopes(estate.wait(60)) == [(CHECKOUT, State.FIRING)]


def test_the_worst_severity_of_the_group_is_the_causes() -> None:
    """Only the total is bad enough for a page, but the service is what makes it so."""
    estate = Estate()
    estate.say(service(severity="ticket"), total())
    [page] = estate.wait(300)
    assert (page.scope, page.severity) == (CHECKOUT, Severity.PAGE)
    assert page.reason == "total: total stepped up."


def test_when_a_pending_cause_goes_away_the_wide_scope_pages() -> None:
    estate = Estate()
    estate.say(namespace(), service())
    estate.say(service(severity="none"))
    assert scopes(estate.say()) == [(SHOP, State.FIRING)]


def test_an_attached_scope_stays_while_the_shares_waver() -> None:
    estate = Estate()
    estate.say(service(CHECKOUT, 250), namespace(400))
    assert len(estate.wait(60)) == 1
    estate.say(service(CHECKOUT, 150), namespace(400))
    assert estate.wait(200) == []
    less_than_half_of_what_it_takes = estate.say(service(CHECKOUT, 100), namespace(400))
    assert scopes(less_than_half_of_what_it_takes) == [(SHOP, State.FIRING)]


def test_a_wide_scope_that_lags_behind_its_cause_does_not_page() -> None:
    estate = Estate()
    estate.say(service(), namespace())
    assert len(estate.wait(60)) == 1
    estate.say(service(severity="none"))
    assert estate.wait(50) == []
    estate.say(namespace(severity="none"))
    assert scopes(estate.wait(300)) == [(CHECKOUT, State.RESOLVED)]


@pytest.mark.parametrize(("excess", "then"), [(200, []), (201, [("total", State.FIRING)])])
def test_what_only_counts_the_past_stays_quiet_after_its_cause_has_resolved(
    excess: float, then: list[tuple[str, State]]
) -> None:
    """The day's burn of the total is high for hours after the service was mended."""
    estate = Estate()
    estate.say(service(), total())
    assert len(estate.wait(60)) == 1
    estate.say(service(severity="none"), total(excess))
    sent = [alert for _ in range(20) for alert in estate.say(total(excess))]
    assert scopes(sent) == [(CHECKOUT, State.RESOLVED), *then]


def test_a_new_and_larger_cause_is_held_for_its_own_time() -> None:
    """The wide scope has been at page level for an hour, but for another cause."""
    estate = Estate()
    estate.say(service(CART, 400), namespace(400))
    assert scopes(estate.wait(60)) == [(CART, State.FIRING)]
    assert estate.say(service(CHECKOUT, 900), namespace(1300)) == []
    assert estate.say() == []
    assert scopes(estate.say()) == [(CHECKOUT, State.FIRING)]


def test_a_scope_without_a_baseline_explains_with_all_it_burns() -> None:
    estate = Estate()
    estate.say(signal(CHECKOUT, burn=400, normal=None), namespace(400))
    assert scopes(estate.wait(300)) == [(CHECKOUT, State.FIRING)]


def test_rates_over_different_windows_are_not_mistaken_for_small_shares() -> None:
    """The service's worst signal looks back over hours; its step shows what it burns now."""
    estate = Estate()
    slow = signal(CHECKOUT, burn=60, normal=20, detector="burn_vs_budget", score=99.0)
    estate.say(service(), slow, namespace())
    assert scopes(estate.wait(300)) == [(CHECKOUT, State.FIRING)]


def test_nothing_to_explain_attaches_nothing() -> None:
    """A ticket about a unit cost or a price comes without an excess."""
    estate = Estate()
    estate.say(service(excess=0, severity="ticket"), namespace(excess=0, severity="ticket"))
    assert len(estate.wait(300)) == 2


def test_a_name_with_a_slash_in_a_value_is_understood() -> None:
    name = "service=shop/a%2Fb"
    estate = Estate()
    estate.say(
        signal(name, labels={"namespace": "shop", "service": "a/b"}),
        signal(TEAM, children=(Share(name=name, cost_nusd=0, excess_nusd=30 * NANO),)),
    )
    assert scopes(estate.wait(300)) == [(name, State.FIRING)]
