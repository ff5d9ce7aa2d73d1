"""Whatever was spent, the lines of an incident add up to it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.incidents.estate import CART, CHECKOUT, HOUR, MINUTE, T0, burning, cost_of, incident, normal, spend

_SERVICES = (CHECKOUT, CART, {"namespace": "shop", "service": "lost"})
_DRIVERS = ("pod_hours", "egress_bytes", "log_bytes")

_estimates = st.lists(
    st.builds(
        lambda labels, driver, start_h, length_s, cents: spend(
            labels, driver, T0 - start_h * HOUR, T0 - start_h * HOUR + length_s, f"{cents / 100:.2f}"
        ),
        st.sampled_from(_SERVICES),
        st.sampled_from(_DRIVERS),
        st.integers(2, 9 * 24),
        st.integers(1, 2 * HOUR),
        st.integers(-500, 100_000),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(
    estimates=_estimates,
    days=st.sampled_from([0, 2, 8]),
    scopes=st.lists(
        st.sampled_from(
            ["total", "team=payments", "unmapped", "service=shop/checkout", "service=shop/lost", "account=a1"]
        ),
        min_size=1,
        unique=True,
    ),
    since_s=st.integers(T0 - 9 * 24 * HOUR, T0),
    length_s=st.integers(0, 9 * 24 * HOUR),
    contained=st.floats(0, 1),
)
def test_every_split_adds_up_to_the_total(
    estimates: list[dict[str, object]],
    days: int,
    scopes: list[str],
    since_s: int,
    length_s: int,
    contained: float,
) -> None:
    burn = burning([*normal(days=days), *estimates], T0)
    until_s = min(since_s + length_s, T0 + 10 * MINUTE)
    contained_s = since_s + round(contained * max(until_s - since_s, 0))
    found = cost_of(burn, incident(*scopes, since_s=since_s, until_s=until_s, contained_s=contained_s))
    whole = (found.spent_nusd, found.baseline_nusd, found.excess_nusd)
    for lines in (found.drivers, found.owners):
        assert sum(line.spent_nusd for line in lines) == whole[0]
        assert sum(line.normal_nusd for line in lines) == whole[1]
        assert sum(line.excess_nusd for line in lines) == whole[2]
    assert sum(each.excess_nusd for each in found.scopes) == found.excess_nusd
    assert (found.until_contained_nusd or 0) + (found.after_contained_nusd or 0) == found.excess_nusd
    assert {each.scope for each in found.scopes}.isdisjoint(found.left_out)
    assert {each.scope for each in found.scopes} | found.left_out.keys() == set(scopes)


@settings(max_examples=40, deadline=None)
@given(
    estimates=_estimates, narrower=st.sampled_from(["service=shop/checkout", "team=payments", "account=a2"])
)
def test_adding_a_narrower_scope_to_the_total_changes_nothing(
    estimates: list[dict[str, object]], narrower: str
) -> None:
    burn = burning(estimates, T0)
    alone, both = cost_of(burn, incident("total")), cost_of(burn, incident("total", narrower))
    assert (alone.spent_nusd, alone.excess_nusd) == (both.spent_nusd, both.excess_nusd)
