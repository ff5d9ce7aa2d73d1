"""The shop in mid-runaway that the API's tests use."""

from tests.serve.conftest import shop_at_work

__all__ = ["shop_at_work"]
