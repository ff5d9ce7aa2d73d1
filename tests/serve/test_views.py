"""What spans several spend partitions."""

from stream.config import Burn as BurnConfig
from stream.config import Config
from stream.serve.views import Views
from tests.burn.rig import START, Rig, estate, record
from tests.serve.rig import Shop


def test_other_is_that_of_all_partitions() -> None:
    """Each partition puts what is over its cap into an `other` of its own."""
    shop = Shop()
    burns = []
    for usd_per_hour in (36.0, 72.0):
        rig = Rig(Config(burn=BurnConfig(max_scopes=1)))
        rig.take(record(START + 3600, *estate(START, START + 3600, {"service=a": usd_per_hour})))
        burns.append(rig.burn)
    shop.burns = lambda: burns  # type: ignore[method-assign]
    each = [burn.windows.spent_nusd("other", START, START + 3600) for burn in burns]
    [other] = Views(shop).burn(["other"], "burn", 10)["scopes"]
    assert min(each) > 0
    assert other["total_nusd"] == sum(each)
