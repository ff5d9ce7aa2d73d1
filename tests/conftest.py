"""Fixtures for the services that tests run against, and the rule that CI skips nothing."""

import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import settings

from tests.services import AlertmanagerServer, KafkaServer, PrometheusServer, Service
from tests.services.topics import TopicFactory, open_topics

# No deadline: a busy machine is no bug. More: `make test ARGS="tests/burn --hypothesis-profile=deep"`.
settings.register_profile("quick", deadline=None, max_examples=50, print_blob=True)
settings.register_profile("deep", settings.get_profile("quick"), max_examples=2000)
settings.load_profile("quick")


def _fail_a_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Under CI, turn a skip into a failure: a test that silently stopped running proves nothing.

    A test marked `xfail` that fails as expected is reported as skipped too, and stays as it is.
    """
    if os.environ.get("CI") != "true" or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid} would be skipped, and CI must run every test: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_a_skip(report)
    if report.failed:
        report.sections += [(f"{service.name} log", service.log_tail()) for service in Service.running]
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_a_skip(report)
    return report


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a broker for all tests; BURNLINE_TEST_KAFKA names one that already runs.

    A test that stops its broker starts its own `KafkaServer`.
    """
    if bootstrap := os.environ.get("BURNLINE_TEST_KAFKA"):
        yield bootstrap
        return
    with KafkaServer(tmp_path_factory.mktemp("kafka")) as server:
        yield server.bootstrap


@pytest.fixture
async def topics(kafka: str) -> AsyncIterator[TopicFactory]:
    """`await topics(partitions)` makes a topic and returns its name, which no other test has."""
    async with open_topics(kafka) as create:
        yield create


@pytest.fixture
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., PrometheusServer]]:
    """`prometheus(configuration)` starts a server that lives as long as the test."""
    with ExitStack() as servers:

        def start(configuration: str, port: int | None = None) -> PrometheusServer:
            directory = tmp_path_factory.mktemp("prometheus")
            return servers.enter_context(PrometheusServer(directory, configuration, port))

        yield start


@pytest.fixture
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], AlertmanagerServer]]:
    """`alertmanager(configuration)` starts a server that lives as long as the test."""
    with ExitStack() as servers:

        def start(configuration: str) -> AlertmanagerServer:
            directory = tmp_path_factory.mktemp("alertmanager")
            return servers.enter_context(AlertmanagerServer(directory, configuration))

        yield start
