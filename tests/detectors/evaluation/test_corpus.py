"""Reading labelled series: what the public files do wrong must not matter, what is wrong must be said."""

import gzip
import math
from pathlib import Path

import pytest

from detectors.evaluation.corpus import BadCorpus, read
from tests.detectors.evaluation.labelled import START, spikes, write

NAME = "one/spikes.csv"


def test_series_come_by_name_with_their_windows(tmp_path: Path) -> None:
    names = ["b/two.csv", NAME, "b/one.csv"]
    write(tmp_path, {name: spikes() for name in names}, {name: [(490, 520)] for name in names})
    series, left_out = read(tmp_path)
    assert ([one.name for one in series], left_out) == (["b/one.csv", "b/two.csv", NAME], [])
    assert series[2].group == "one"
    assert series[2].times_s[:2].tolist() == [START.timestamp(), START.timestamp() + 300]
    assert series[2].values.tolist() == spikes()
    assert (series[2].labels.window >= 0).nonzero()[0].tolist() == list(range(490, 521))


def test_line_ends_compression_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    plain = read(write(tmp_path / "plain", {NAME: spikes()}, {NAME: [(490, 520)]}))[0][0]
    write(tmp_path / "odd", {NAME: spikes()}, {NAME: [(490, 520)]}, end="\r\n")
    file = tmp_path / "odd" / NAME
    file.with_name("spikes.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + file.read_bytes()))
    file.unlink()
    odd = read(tmp_path / "odd")[0][0]
    assert odd.name == plain.name
    assert odd.values.tolist() == plain.values.tolist()
    assert odd.times_s.tolist() == plain.times_s.tolist()


def test_repeated_times_steps_back_gaps_and_missing_values_stay(tmp_path: Path) -> None:
    write(tmp_path, {NAME: [1.0]}, {NAME: []})
    (tmp_path / NAME).write_text(
        "timestamp,value\n2026-01-05 00:00:00,1\n2026-01-05 00:00:00,2\n2026-01-04 23:00:00,\n\n"
        "2026-02-01 00:00:00.500000,-3e2\n2026-02-01 00:05:00,nan\n"
    )
    (series,), _ = read(tmp_path)
    assert (series.times_s - START.timestamp()).tolist() == [0, 0, -3600, 27 * 86400 + 0.5, 27 * 86400 + 300]
    assert series.values.tolist()[:2] + series.values.tolist()[3:4] == [1.0, 2.0, -300.0]
    assert math.isnan(series.values[2]) and math.isnan(series.values[4])


def test_what_has_no_partner_is_left_out_and_said(tmp_path: Path) -> None:
    write(tmp_path, {NAME: spikes(), "two/extra.csv": spikes()}, {NAME: [], "two/gone.csv": []})
    series, left_out = read(tmp_path)
    assert [one.name for one in series] == [NAME]
    assert left_out == [
        "two/gone.csv is named in combined_windows.json but is no file",
        "two/extra.csv is not named in combined_windows.json",
    ]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("combined_windows.json", None, "combined_windows.json cannot be read"),
        ("combined_windows.json", b"{", "is no JSON"),
        ("combined_windows.json", b"[1]", "must be an object"),
        ("combined_windows.json", b"{}", "names none of the files, such as one/spikes.csv"),
        ("combined_windows.json", b'{"one/spikes.csv": [["soon", "later"]]}', "no list of"),
        ("combined_windows.json", b'{"one/spikes.csv": 5}', "no list of"),
        ("combined_windows.json", b'{"one/spikes.csv": [["2030-01-01", "2030-01-02"]]}', "holds no row"),
        (NAME, None, "holds no group/name.csv"),
        (NAME, b"", "the first line must be 'timestamp,value'"),
        (NAME, b"time,cost\n", "begins with 'time,cost'"),
        (NAME, b"timestamp,value\n", "holds no row"),
        (NAME, b"timestamp,value\n2026-01-05 00:00:00,1\nyesterday,2\n", "line 3: 'yesterday,2'"),
        (NAME, b"timestamp,value\n2026-01-05 00:00:00,many\n", "line 2"),
        (NAME, b"timestamp,value\n2026-01-05 00:00:00,1,2\n", "line 2"),
        (NAME, b"timestamp,value\n\xff\n", "cannot be read"),
    ],
)
def test_bad_input_is_one_clear_sentence(tmp_path: Path, file: str, content: bytes | None, said: str) -> None:
    write(tmp_path, {NAME: spikes()}, {NAME: [(490, 520)]})
    path = tmp_path / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(BadCorpus) as caught:
        read(tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cut_off_archive_is_said(tmp_path: Path) -> None:
    write(tmp_path, {NAME: spikes()}, {NAME: []})
    file = tmp_path / NAME
    file.with_name("spikes.csv.gz").write_bytes(gzip.compress(file.read_bytes())[:-20])
    file.unlink()
    with pytest.raises(BadCorpus, match="put a whole copy in its place"):
        read(tmp_path)
