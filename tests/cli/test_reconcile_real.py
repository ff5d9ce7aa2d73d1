"""A real bill against estimates that are that very bill, replayed: only what is no usage differs.

$BURNLINE_DATA is where the file is.
"""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli.main import app

DATA = Path(os.environ.get("BURNLINE_DATA", Path(__file__).parents[2].parent / "shared/data"))


def test_the_focus_sample_against_itself(tmp_path: Path) -> None:
    path = DATA / "focus/focus_1_0_sample.csv.gz"
    if not path.is_file():
        pytest.skip(f"real data files are not here: set BURNLINE_DATA (looked in {DATA})")
    database = str(tmp_path / "x.db")
    played = CliRunner().invoke(app, ["replay", str(path), "--database", database, "--json"])
    assert played.exit_code == 0, played.exception
    result = CliRunner().invoke(
        app, ["reconcile", str(path), "--database", database, "--as-of", "2024-10-20", "--json"]
    )
    assert result.exit_code == 0, result.exception
    found = json.loads(result.stdout)
    total = found["total"]
    # To the nano-dollar, over all three providers.
    assert total["estimate_nusd"] == total["billed_nusd"] == 20_520_226_729
    assert total["difference_nusd"] == -(total["lines_nusd"]["credit"] + total["lines_nusd"]["adjustment"])
    assert found["estimates_outside_nusd"] == 0
    for key in found["keys"]:
        # One key's rows are rounded in another order than in the replay: a nano-dollar a row at most.
        assert abs(key["estimate_nusd"] - key["billed_nusd"]) <= key["days"], key
        assert "unmatched_invoice" not in key["reasons_nusd"], key
    assert {each["factor"] for each in found["new_factors"]} == {"1.0000"}
