"""Under CI a skipped test is a failure; elsewhere it is a skip."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SKIPPED_BY_THE_TEST = "import pytest\ndef test_it(): pytest.skip('no data here')"
SKIPPED_BY_A_MARK = "import pytest\n@pytest.mark.skip(reason='no data here')\ndef test_it(): pass"
SKIPPED_AS_A_MODULE = "import pytest\npytest.skip('no data here', allow_module_level=True)"
FAILS_AS_EXPECTED = "import pytest\n@pytest.mark.xfail(reason='a known bug')\ndef test_it(): assert False"


def run(directory: Path, source: str, ci: str) -> subprocess.CompletedProcess[str]:
    module = directory / "test_inner.py"
    module.write_text(source)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", str(module)],
        cwd=ROOT,
        env=os.environ | {"CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "source", [SKIPPED_BY_THE_TEST, SKIPPED_BY_A_MARK, SKIPPED_AS_A_MODULE], ids=["call", "mark", "module"]
)
def test_a_skip_fails_under_ci_and_says_why(tmp_path: Path, source: str) -> None:
    done = run(tmp_path, source, ci="true")
    assert done.returncode != 0
    assert "would be skipped, and CI must run every test: " in done.stdout
    assert "no data here" in done.stdout


@pytest.mark.parametrize("source", [SKIPPED_BY_THE_TEST, SKIPPED_BY_A_MARK], ids=["call", "mark"])
def test_a_skip_is_a_skip_elsewhere(tmp_path: Path, source: str) -> None:
    done = run(tmp_path, source, ci="")
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    done = run(tmp_path, FAILS_AS_EXPECTED, ci="true")
    assert done.returncode == 0, done.stdout
    assert "1 xfailed" in done.stdout
