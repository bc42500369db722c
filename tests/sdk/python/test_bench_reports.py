"""What the bench writes is read by other people's tools: PyPI's hdrhistogram against the bench's own figures."""

import json
import math
import os
import pathlib
import re
import subprocess

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

ROOT = pathlib.Path(__file__).resolve().parents[3]
SHARES = {"p50_us": 50, "p90_us": 90, "p99_us": 99, "p99.9_us": 99.9, "p99.99_us": 99.99, "max_us": 100}
ROW = re.compile(r"^ *([0-9.]+) ([01]\.[0-9]{12}) +([0-9]+)(?: +([0-9.]+))?$")
SPREADS = ["latency", "service", "generator_lateness", "first_event", "gap", "delay"]


def bench() -> pathlib.Path:
    """The newest build of the bench."""
    if chosen := os.environ.get("THROWOVER_BIN"):
        return pathlib.Path(chosen) / "throwover-bench"
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    if not target.is_absolute():
        target = ROOT / target
    found = [path for profile in ("release", "debug") if (path := target / profile / "throwover-bench").is_file()]
    assert found, f"no throwover-bench in {target}: run `cargo build --workspace` first"
    return max(found, key=lambda path: path.stat().st_mtime)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    """A run of streams at a rate, with nothing between load and sink."""
    folder = tmp_path_factory.mktemp("bench") / "run"
    arguments = ["--through", "direct", "--stream", "--events", "8", "--interval-ms", "1", "--rate", "100", "--seconds", "2.5"]
    # One processor for everything: a machine that has no second one can run this too.
    places = ["--load-cpu", str(min(os.sched_getaffinity(0))), "--proxy-cpu", str(min(os.sched_getaffinity(0)))]
    command = [bench(), "run", *arguments, *places, "--warm-up", "0.1", "--out", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def figures(folder) -> dict:
    """The bench's own figures."""
    return json.loads((folder / "run.json").read_text())["figures"]


@pytest.fixture(scope="module")
def intervals(folder) -> list:
    """Every interval of the log."""
    reader, found = HistogramLogReader(str(folder / "run.hlog"), HdrHistogram(1, 600 * 10**9, 3)), []
    while histogram := reader.get_next_interval_histogram():
        found.append(histogram)
    reader.close()
    return found


def whole(intervals: list, tag: str) -> HdrHistogram:
    """The intervals of a spread, added up."""
    total = HdrHistogram(1, 600 * 10**9, 3)
    for histogram in intervals:
        if histogram.get_tag() == tag:
            total.add(histogram)
    return total


def test_the_log_has_every_second_of_every_spread(intervals, folder):
    seconds = json.loads((folder / "run.json").read_text())["seconds"]
    assert len(seconds) >= 3
    assert {histogram.get_tag() for histogram in intervals} == set(SPREADS)
    latency = [histogram for histogram in intervals if histogram.get_tag() == "latency"]
    assert [histogram.get_total_count() for histogram in latency] == [second["answers"] for second in seconds if second["answers"]]
    starts = [histogram.get_start_time_stamp() for histogram in latency]
    assert starts == sorted(starts)


@pytest.mark.parametrize("spread", SPREADS)
def test_percentiles_of_the_log_are_the_figures(intervals, figures, spread):
    histogram = whole(intervals, spread)
    assert histogram.get_total_count() == figures[spread]["count"] > 0
    count = histogram.get_total_count()
    for name, percentile in SHARES.items():
        # The libraries round to a whole number of values differently; the share of that number is plain.
        exact = 100 * math.ceil(percentile / 100 * count - 1e-9) / count
        ours, theirs = figures[spread][name], histogram.get_value_at_percentile(exact) / 1e3
        assert theirs == pytest.approx(ours, rel=1e-3, abs=0.002), name
    assert histogram.get_mean_value() / 1e3 == pytest.approx(figures[spread]["mean_us"], rel=2e-3)


@pytest.mark.parametrize("spread", SPREADS)
def test_percentile_files_are_those_of_the_log(intervals, folder, spread):
    histogram = whole(intervals, spread)
    total, below, steps = histogram.get_total_count(), 0, {}
    for step in histogram.get_recorded_iterator():
        below, before = step.total_count_to_this_value, below
        steps[histogram.get_highest_equivalent_value(step.value_iterated_to)] = (before, below)
    lines = (folder / f"{spread}.hgrm").read_text().splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    rows = [ROW.match(line) for line in lines[2:] if not line.startswith("#")]
    assert all(rows) and len(rows) > 5, "a line is no row"
    shares = [float(row[2]) for row in rows]
    assert shares == sorted(shares) and (shares[0], shares[-1]) == (0.0, 1.0)
    for row, share in zip(rows, shares):
        before, count = steps[round(float(row[1]) * 1e3)]
        assert int(row[3]) == count, row[0]
        assert before <= share * total + 1e-6 and share * total <= count + 1e-6, row[0]
        assert (row[4] is None) == (share == 1.0)
        assert share == 1.0 or float(row[4]) == pytest.approx(1 / (1 - share), abs=0.006)
    footer = "\n".join(line for line in lines if line.startswith("#"))
    found = re.match(r"#\[Mean    = +([0-9.]+), StdDeviation   = +[0-9.]+\]\n#\[Max     = +([0-9.]+), Total count    = +([0-9]+)\]", footer)
    assert float(found[1]) == pytest.approx(histogram.get_mean_value() / 1e3, rel=2e-3)
    assert float(found[2]) == pytest.approx(histogram.get_max_value() / 1e3, rel=1e-3)
    assert int(found[3]) == total


def test_an_answer_takes_longer_than_its_first_event(figures):
    assert figures["errors"] == {}
    assert figures["latency"]["p50_us"] > figures["first_event"]["p50_us"] > 0
    # Ten events of each stream, nine gaps between them, and a stamp on each. The first and the last
    # stream may be there in part.
    assert figures["gap"]["count"] == pytest.approx(9 * figures["first_event"]["count"], rel=0.05)
    assert figures["delay"]["count"] == figures["gap"]["count"] + figures["first_event"]["count"]


def test_a_report_needs_nothing_else(folder):
    page = folder.parent / "report.html"
    subprocess.run([bench(), "report", folder, "--out", page], check=True, capture_output=True, timeout=60)
    text = page.read_text()
    assert text.count("<svg") == len(SPREADS) + 1
    assert not re.search(r"(https?:|src=|href=|url\(|@import)", text)
