import json
import math
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest
import torch

from vidseq.errors import UserError
from vidseq.heads import HEADS, make_head

TOOLS = Path(__file__).parents[2] / "tools"


def run(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, TOOLS / "benchmark_heads.py", "--out", out, "--dim", "16", "--runs", "1", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=280)


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    import benchmark_report

    return benchmark_report


def test_measures_what_is_missing_and_writes_every_file(tmp_path: Path) -> None:
    old = {"head": "lstm", "frames": 8, "threads": 1, "allocator": "glibc", "job": "forward", "peak_bytes": 1}
    old |= {"error": "", "matrix_rate": 1e9, "state_bytes": None}
    before = [json.dumps(old | {"subject": name, "ms": ms}) for name, ms in (("lstm", 2.0), ("nn.LSTM", 5.0))]
    (tmp_path / "rows.jsonl").write_text("\n".join(before) + '\n{"head": "ls')  # a run that was broken off
    options = ("--heads", "lstm", "--frames", "8", "--allocators", "glibc", "--jobs", "forward", "step", "train")
    done = run(tmp_path, *options)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [(row["subject"], row["job"]) for row in rows] == [
        ("lstm", "forward"),
        ("nn.LSTM", "forward"),
        ("lstm", "step"),
        ("nn.LSTM", "step"),
        ("lstm", "train"),
    ]
    assert all(row["ms"] > 0 and not row["error"] for row in rows)
    assert rows[2]["state_bytes"] == 2 * 16 * 4
    for name in ("rows.csv", "report.md", "times.png", "times.svg"):
        assert (tmp_path / name).stat().st_size > 100
    assert re.search(r"^\| lstm +\| +8 \| +1 \| nn.LSTM +\| +2.50 \|", done.stdout, re.MULTILINE)


#: A worker that says what it was asked, and whose code would be imported.
ECHO = """import json, os, sys
spec = json.loads(sys.argv[1])
print("{}", flush=True)
for job in sys.stdin:
    print(json.dumps({"ms": 1.0, "subject": spec["subject"], "code": os.environ["PYTHONPATH"]}), flush=True)
"""


def test_the_head_of_another_checkout_runs_its_own_code_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: ModuleType
) -> None:
    import benchmark_heads

    for name in ("one", "two"):
        (tmp_path / name / "tools").mkdir(parents=True)
        (tmp_path / name / "tools" / "benchmark_worker.py").write_text(ECHO)
    folders = [str(tmp_path / name) for name in ("one", "two")]
    monkeypatch.setattr(sys, "argv", ["benchmark_heads.py", "--without-peers", "--before", *folders])
    options, case = benchmark_heads.parse(), benchmark_heads.Case("min_gru", 8, 1, "glibc", "forward")
    worker = benchmark_heads.Worker("before: two", case, options)
    assert worker.measure("forward") == {"ms": 1.0, "subject": "min_gru", "code": folders[1]}
    worker.close()
    monkeypatch.setattr(benchmark_heads, "Worker", lambda name, *_: SimpleNamespace(subject=name, close=list))
    monkeypatch.setattr(benchmark_heads, "measure", lambda workers, *_: [one.subject for one in workers])
    assert list(benchmark_heads.run_cases([case], options)) == [["min_gru", "before: one", "before: two"]]


def test_times_beside_another_checkout(report: ModuleType) -> None:
    def row(job: str, subject: str, ms: float | None, error: str = ""):
        return report.Row("gru", 8, 1, "glibc", job, subject, ms, None, error, 1e11, None)

    rows = [row("forward", "gru", 4.0), row("forward", "before: old", 6.0)]
    rows += [row("both", "gru", 4.0), row("both", "before: old", None, "killed")]
    (line,) = report.checkout_table(report.Times(rows)).to_dict("records")
    assert (line["checkout"], line["forward"], line["failed"]) == ("old", 1.5, "both: killed")
    assert math.isnan(line["both"]) and math.isnan(line["step"])


@pytest.mark.slow
def test_what_runs_out_of_memory_is_a_row_and_no_end(tmp_path: Path) -> None:
    options = ("--heads", "lstm", "--frames", "400000", "--allocators", "glibc", "--jobs", "forward")
    done = run(tmp_path, *options, "--limit-gb", "0.01")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "rows.csv").set_index("subject")
    assert table.loc[["lstm", "nn.LSTM"], "error"].tolist() == ["out of memory"] * 2
    assert "forward: out of memory" in done.stdout


@pytest.mark.parametrize(
    "options, message",
    [
        (["--heads", "lstn"], "Did you mean 'lstm'"),
        (["--allocators", "x"], "Unknown allocator 'x'"),
        (["--before", "nowhere"], r"--before expects checkouts of vidseq with .*, got none in 'nowhere'"),
    ],
)
def test_unknown_names_are_told(options: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    monkeypatch.setattr(sys, "argv", ["benchmark_heads.py", *options])
    import benchmark_heads

    with pytest.raises(UserError, match=message):
        benchmark_heads.parse()


def test_ratios_targets_and_growth_are_those_of_the_rows(report: ModuleType) -> None:
    def row(frames: int, subject: str, ms: float, allocator: str = "glibc", job: str = "both"):
        return report.Row("gru", frames, 1, allocator, job, subject, ms, 2**20, "", 1e11, None)

    at = report.AT
    rows = [
        row(at, "gru", 10.0),
        row(at, "nn.GRU", 40.0),
        row(at, "gru", 9.0, "kept"),
        row(at, "nn.GRU", 18.0, "kept"),
    ]
    rows += [row(4 * at, "gru", 45.0)]
    times = report.Times(rows)
    line = report.ratio_table(times).iloc[0]
    assert (line["both"], line["both, at best"], line["MiB, both"]) == (4.0, 2.0, 1.0)
    assert math.isnan(line["forward"])
    aims = report.targets(times).set_index("target")
    assert aims.loc["faster than nn.GRU, both", ["measured", "reached"]].tolist() == [2.0, "no"]
    growth = aims.loc["cost of 4 T over 4 times that of T, both"]
    assert growth["measured"] == 45 / 36 and growth["reached"] == "no"
    assert aims.loc["cost of 4 T over 4 times that of T, forward", "reached"] == "–"


def test_training_fits_or_not(report: ModuleType) -> None:
    def row(head: str, peak: int):
        return report.Row(head, report.AT, 1, "glibc", "train", head, 1.0, peak, "", 1e11, None)

    times = report.Times([row("gru", 3 * 10**9), row("lstm", 5 * 10**9)])
    aims = report.targets(times).query("target == 'MiB of training'").set_index("head")
    assert aims["reached"].to_dict() == {"gru": "yes", "lstm": "no"}
    assert report.training_table(times).set_index("head").loc["lstm", "MiB"] == 5 * 10**9 / 2**20


def test_a_live_frame_is_compared_with_the_peer(report: ModuleType) -> None:
    rows = [
        report.Row("lstm", report.AT, 1, "glibc", "step", subject, ms, None, "", 1e11, 8)
        for subject, ms in (("lstm", 10.0), ("nn.LSTM", 50.0))
    ]
    line = report.stream_table(report.Times(rows)).iloc[0]
    assert (line["microseconds"], line["peer"], line["times faster"]) == (50.0, 250.0, 5.0)


@pytest.mark.slow
def test_a_window_of_many_frames_is_compared_with_reading_them_again(tmp_path: Path) -> None:
    done = run(tmp_path, "--heads", "window, 4,096 frames", "--frames", "8", "--allocators", "glibc")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [(row["subject"], row["job"]) for row in rows] == [
        ("window, 4,096 frames", "step"),
        ("all frames in sight anew", "step"),
        ("window, 4,096 frames", "far"),
    ]
    assert all(row["ms"] > 0 and not row["error"] for row in rows)
    assert "Times faster than a peer" not in done.stdout


def test_reading_from_scratch_reads_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    import benchmark_peers

    head = make_head("window", 16, {"window": 5, "layers": 2, "heads": 2})
    x = torch.randn(1, 40, 16)
    torch.testing.assert_close(benchmark_peers.FromScratch(head)(x), head(x)[:, -1:])


def test_every_head_is_measured(report: ModuleType) -> None:
    assert {benchmarked.head for benchmarked in report.BENCHMARKED_HEADS.values()} == set(HEADS)


@pytest.mark.parametrize("name", ["longformer", "big_bird"])
def test_global_tokens_read_where_peers_read_too(report: ModuleType, name: str) -> None:
    benchmarked = report.BENCHMARKED_HEADS[name]
    subject, x = benchmarked.make(256), torch.randn(1, 70, 256)
    y, later = subject(x), subject(x + torch.nn.functional.one_hot(torch.tensor(69), 70)[:, None])
    num_global = benchmarked.options["num_global"]
    assert y.shape == (1, num_global + 70, 256)
    assert (y != later)[0, :num_global].any(dim=1).all()
    torch.testing.assert_close(y[:, num_global:], subject.head(x))
