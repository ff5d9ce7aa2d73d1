"""One shop in mid-runaway for all tests: four days through real stages take a few seconds."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.serve.rig import Shop, runaway_shop, serving


@pytest.fixture(scope="session")
def shop_at_work() -> Shop:
    return runaway_shop()


@pytest.fixture
def shop(shop_at_work: Shop) -> Iterator[Shop]:
    """Without incidents, and at the time it stopped."""
    now_ms = shop_at_work.now_ms
    shop_at_work.kept.clear()
    shop_at_work.appended.clear()
    yield shop_at_work
    shop_at_work.now_ms = now_ms


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[aiohttp.ClientSession]:
    async with serving(shop) as session:
        yield session
