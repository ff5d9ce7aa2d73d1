"""Saved estimates: read as the API writes them, or one sentence."""

import msgspec
import pytest

from stream.errors import UserError
from stream.reconcile.estimates import decode

ROW = {
    "provider": "aws", "account": "111", "service": "Amazon EC2", "day": "2026-03-02",
    "estimate_nusd": 1_080_000_000, "calibration_nusd": 80_000_000, "complete": True,
}  # fmt: skip
KEY = ("aws", "111", "Amazon EC2")


def answer(*changes: dict[str, object]) -> bytes:
    return msgspec.json.encode(
        {"now_s": 1, "state": "estimated", "estimates": [ROW | each for each in changes]}
    )


def test_days_that_are_not_whole_are_known_as_such() -> None:
    known = decode(
        answer({}, {"day": "2026-03-03", "complete": False}, {"day": "2026-03-04", "calibration_nusd": None}),
        "x",
    )
    second, third = (*KEY, "2026-03-03"), (*KEY, "2026-03-04")
    assert known.estimates_nusd == dict.fromkeys([(*KEY, "2026-03-02"), second, third], 1_080_000_000)
    assert known.calibrated_nusd == {(*KEY, "2026-03-02"): 80_000_000, second: 80_000_000, third: 0}
    assert known.partial == {second, third}


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", answer({"estimate_nusd": 0.5}), b"[" * 100_000])
def test_anything_else_is_a_sentence(text: bytes) -> None:
    with pytest.raises(
        UserError, match=r"^saved\.json does not hold estimates .*: save what /api/v1/estimates"
    ):
        decode(text, "saved.json")
