"""Factors: the newest record of a key holds, exactly; a bad record changes nothing and says why."""

from fractions import Fraction

import msgspec
import pytest

from stream.meter.calibrate import Factors
from stream.schema import calibrations
from stream.schema.calibrations import Calibration

KEY = ("aws", "111", "Amazon EC2")
GOOD = {
    "provider": "aws", "account": "111", "service": "Amazon EC2", "factor": "0.8734", "measured": "0.8734",
    "spread": "0.0100", "days": 5, "first_day": "2026-03-02", "last_day": "2026-03-06", "computed_ms": 1,
}  # fmt: skip


def record(**changes: object) -> bytes:
    return msgspec.json.encode(GOOD | changes)


def test_nothing_known_is_a_factor_of_one() -> None:
    factors = Factors()
    assert not factors
    assert factors.factor(*KEY) == 1


def test_a_factor_is_the_decimal_exactly() -> None:
    factors = Factors()
    assert factors.update(record(factor="0.873401")) is None
    assert factors.factor(*KEY) == Fraction(873401, 1000000)
    assert factors.factor("aws", "111", "Amazon S3") == 1
    assert factors.factor("aws", "222", "Amazon EC2") == 1


def test_a_later_record_replaces_and_one_of_1_takes_back() -> None:
    factors = Factors()
    factors.update(record(factor="0.9000"))
    factors.update(record(factor="1.1000"))
    assert factors.factor(*KEY) == Fraction(11, 10)
    factors.update(record(factor="1.0000"))
    assert factors.factor(*KEY) == 1
    assert not factors


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"", "truncated"),
        (b"\xff\xfe", "malformed"),
        (b'{"factor": "1.0000"}', "missing required field"),
        (record(factor="0.4999"), "outside 0.5 to 2"),
        (record(factor="2.0001"), "outside 0.5 to 2"),
        (record(factor="-1.0000"), "$.factor"),
        (record(factor="NaN"), "$.factor"),
        (record(factor="1e0"), "$.factor"),
        (record(factor=" 1.0000"), "$.factor"),
        (record(factor="1.0000\n"), "$.factor"),
        (record(factor=1.5), "$.factor"),
        (record(factor="\u0661.0000"), "$.factor"),
        (record(factor="1." + "0" * 400), "$.factor"),
        (record(provider=3), "$.provider"),
    ],
)
def test_a_bad_record_is_ignored_with_its_reason(value: bytes, why: str) -> None:
    factors = Factors()
    factors.update(record())
    reason = factors.update(value)
    assert reason is not None and why in reason, reason
    assert factors.factor(*KEY) == Fraction("0.8734")


@pytest.mark.parametrize("factor", ["0.5000", "2.0000"])
def test_the_bounds_themselves_are_taken(factor: str) -> None:
    factors = Factors()
    assert factors.update(record(factor=factor)) is None
    assert factors.factor(*KEY) == Fraction(factor)


def test_a_record_comes_back_as_it_went_and_keys_differ() -> None:
    calibration = calibrations.decode(record(account="a/b"))
    assert calibrations.decode(calibrations.encode(calibration)) == calibration
    other = msgspec.structs.replace(calibration, account="a", service="b/" + calibration.service)
    assert calibrations.key(calibration) != calibrations.key(other)
    assert not calibration.bounded
    assert Calibration(**(GOOD | {"measured": "3.1000", "factor": "2.0000"})).bounded  # type: ignore[arg-type]
