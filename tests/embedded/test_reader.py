"""`burnline run` says which reader is at work, and what one has counted the other would have counted."""

import json
from pathlib import Path

import pytest

from tests.embedded.running import Running, verdict
from tests.embedded.test_run_crash import batches


@pytest.mark.parametrize("compiled", [True, False])
def test_either_reader(tmp_path: Path, compiled: bool) -> None:
    running = Running(tmp_path, meter={"compiled": compiled})
    sent = batches(10)
    assert running.start()
    assert f"reader   {'compiled' if compiled else 'Python, since meter.compiled is false'}\n" in running.said
    assert {running.post(batch) for batch in sent} == {202}
    assert running.stop() == 0
    settings = json.loads(running.config.read_text())
    running.config.write_text(json.dumps(settings | {"meter": {"compiled": not compiled}}))
    assert verdict(running, sent) == []
