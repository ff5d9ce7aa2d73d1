"""docs/formats.md names every topic, field and reason, as the code has them."""

import re
from collections.abc import Iterable
from typing import Any, get_args

import msgspec
import pytest

from stream.schema import actions, commands, dead_letters, deploys, usage, usage_columns
from stream.schema.dead_letters import Reason
from stream.schema.topics import DAY_MS, TOPICS, Topic
from tests.docs.pages import ROOT, blocks
from tests.meter.rig import run

PAGE = ROOT / "docs" / "formats.md"
TEXT = PAGE.read_text(encoding="utf-8")


def row(topic: Topic) -> str:
    partitions = "1" if topic.scale == "one" else f"kafka.{topic.scale}_partitions"
    kept = "the latest of each key" if topic.compacted else f"{topic.retention_ms // DAY_MS} days"
    return f"| `{topic.name}` | {partitions} | {kept} | {topic.about} |"


def section(heading: str) -> str:
    return re.split(r"^#+ ", TEXT.partition(f"# {heading}\n")[2], flags=re.M)[0]


def first_column(heading: str) -> list[str]:
    rows = re.findall(r"^\| (`.*?) \|", section(heading), re.M)
    return [name for cell in rows for name in re.findall(r"`(\w+)`", cell)]


def test_every_topic_is_listed_as_the_code_has_it() -> None:
    rows = [line for line in section("Topics").splitlines() if line.startswith("| `")]
    assert rows == [row(topic) for topic in TOPICS]


def test_every_field_of_usage_is_listed() -> None:
    told = set(first_column("usage"))
    known = {*usage.ExactEstimate.__struct_fields__, *usage.RawEnvelope.__struct_fields__}
    assert told == known


def test_every_field_and_column_is_listed() -> None:
    shared = {"source", "epoch", "seq", "labels"}
    columns = usage_columns.Columns.__struct_fields__
    assert first_column("In columns") == ["series", "origin", "columns", *in_order_of_the_page(columns)]
    assert {*usage_columns.Envelope.__struct_fields__} == {"series", "origin", "columns"} | shared


def in_order_of_the_page(columns: Iterable[str]) -> list[str]:
    return sorted(columns, key=["series", "start", "end", "quantity", "cost_nusd", "cost_usd"].index)


def test_the_example_in_columns_is_the_same_as_the_ordinary_one_below_it() -> None:
    in_columns, ordinary = re.findall(r"^```json\n(.*?)^```", section("In columns"), re.M | re.S)
    usage_columns.decode(in_columns.encode())
    found, expected = (run([example.encode()]) for example in (in_columns, ordinary))
    assert found.letters == []
    assert (found.buckets, found.count, found.quantity) == (
        expected.buckets,
        expected.count,
        expected.quantity,
    )
    assert found.meter.counters == expected.meter.counters
    assert found.spent("total") == 670_000 + 4_718_592 + 94_372


def test_every_reason_is_listed_in_order() -> None:
    assert first_column("What happens to a mistake") == [reason.value for reason in Reason]


@pytest.mark.parametrize(
    ("heading", "decode"),
    [
        ("usage", usage.decode_message),
        ("dead-letters", dead_letters.decode),
        ("deploys", lambda value: deploys.decode(value, 0)),
        ("commands", commands.decode),
        ("actions", actions.decode),
    ],
)
def test_examples_can_be_read(heading: str, decode: Any) -> None:
    [example] = re.findall(r"^```json\n(.*?)^```", section(heading), re.M | re.S)
    decode(example.encode())


def test_every_command_and_field_is_listed() -> None:
    told = set(first_column("commands"))
    shared = {"id", "by", "made_s", "note", "ended_s", "ended_by"}
    fields = {
        kind: set(re.findall(r"`(\w+)`", fields))
        for kind, fields in re.findall(r"^\| `(\w+)` \| (.*) \|$", section("commands"), re.M)
    }
    fields["plan"] |= fields["maintenance"]
    known = {
        commands.kind_name(kind): set(kind.__struct_fields__) - shared for kind in get_args(commands.Command)
    }
    assert told == set(known)
    assert fields == known


def test_the_page_has_no_other_json() -> None:
    for block in blocks(PAGE):
        if block.language == "json":
            msgspec.json.decode(block.code)
