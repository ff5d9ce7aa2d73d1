"""`--update-golden` writes the golden pages anew instead of comparing with them."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files of tests/notify anew"
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    # The option exists only when pytest was given this folder.
    return bool(request.config.getoption("--update-golden", default=False))
