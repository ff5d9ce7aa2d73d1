"""One broker with a door that can be shut."""

from collections.abc import Iterator

import pytest

from tests.chaos.cluster import Broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Its proxy lives in a test's own event loop: `async with broker.proxy`."""
    made = Broker(tmp_path_factory.mktemp("chaos"))
    with made.server:
        yield made
