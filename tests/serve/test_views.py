"""What spans several spend partitions."""

from stream.config import Burn as BurnConfig
from stream.config import Config
from stream.incidents.cost import cost
from stream.schema.incidents import Incident
from stream.serve.views import Views
from tests.burn.rig import START, Rig, estate, record
from tests.serve.rig import Shop


def overflowing() -> Shop:
    """Two partitions, each of which puts what is over its cap into an `other` of its own."""
    shop = Shop()
    burns = []
    for usd_per_hour in (36.0, 72.0):
        rig = Rig(Config(burn=BurnConfig(max_scopes=1)))
        rig.take(record(START + 3600, *estate(START, START + 3600, {"service=a": usd_per_hour})))
        burns.append(rig.burn)
    shop.burns = lambda: burns  # type: ignore[method-assign]
    return shop


def test_other_is_that_of_all_partitions() -> None:
    shop = overflowing()
    each = [burn.windows.spent_nusd("other", START, START + 3600) for burn in shop.burns()]
    [other] = Views(shop).burn(["other"], "burn", 10)["scopes"]
    assert min(each) > 0
    assert other["total_nusd"] == sum(each)


def test_so_are_its_history_and_what_it_costs_an_incident() -> None:
    shop = overflowing()
    each = [burn.windows.spent_nusd("other", START, START + 3600) for burn in shop.burns()]
    views = Views(shop)
    told = views.history("other", "35d")
    assert told["start_s"] + len(told["usd_per_hour"]) * 3600 == START + 3600
    assert round(told["usd_per_hour"][-1] * 1e9) == sum(each)
    opened = Incident(id="1", title="", scopes=("other",), since_s=START, opened_by="", opened_s=START)
    found = cost(opened, shop.burns(), views.figures(), START + 3600)
    assert found.spent_nusd == sum(each) == sum(part.spent_nusd for part in found.drivers)
    assert [counted.scope for counted in found.scopes] == ["other"]
