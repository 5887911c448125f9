"""Evaluation rows and frame labels on a timeline, and `vidseq timeline`."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from planted_rows import planted_rows
from timeline.test_page import Page

from vidseq.cli import main
from vidseq.data.dataset import Dataset
from vidseq.evaluation.models import evaluate_models
from vidseq.evaluation.rows import write_rows
from vidseq.evaluation.timeline import add_rows, predicted_lines
from vidseq.inference.predictions import write_predictions
from vidseq.segmentation.found_segments import FoundSegment, segments_of_classes
from vidseq.tasks.prediction import Prediction
from vidseq.timeline import TimelineBuilder
from vidseq.training import TrainConfig, fit

pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")


@given(labels=arrays(int, st.integers(1, 30), elements=st.integers(-1, 2)), seed=st.integers(0, 99))
def test_a_line_gives_each_frame_its_label(labels: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.1, 1, len(labels) + 1))
    probabilities = rng.dirichlet(np.ones(3), len(labels))
    found = segments_of_classes(labels, probabilities)
    (line,) = predicted_lines("m", found, times, "abc")
    for frame, label in enumerate(labels):
        there = [bar for bar in line.bars if bar.start <= times[frame] < bar.end]
        assert [bar.label for bar in there] == (["abc"[label]] if label >= 0 else [])
        if there:
            inside = [index for index in range(len(labels)) if there[0].start <= times[index] < there[0].end]
            assert there[0].confidence == pytest.approx(probabilities[inside, label].mean())
    assert all(before.end != after.start or before.label != after.label for before, after in pairwise(line.bars))


def test_rows_show_their_longest_context_without_controls() -> None:
    rows = planted_rows(np.random.default_rng(0), num_groups=2, per_group=3, num_seeds=2)
    builder = TimelineBuilder()
    add_rows(builder, rows)
    timeline = builder.build("t", limit=1000)
    full = rows[(rows["control"] == "") & (rows["context"] == "full")]
    answers = [answer for video in timeline.videos for query in video.queries for answer in query.answers]
    assert len(answers) == len(full) and len({answer.model for answer in answers}) == 2
    assert sum(answer.right for answer in answers) == full["correct"].sum()
    assert list(timeline.notes) == [
        "Answers are those at each run's longest context.", "Answers of controls are left out.",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(toy_world, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainConfig(head="lstm", dim=8, epochs=1, tasks={"question": {}, "next_action": {}, "frame_labels": {}})
    return fit(*toy_world, config, tmp_path_factory.mktemp("runs") / "toy")


def test_evaluate_writes_the_page_of_a_split(toy_world, run: Path, tmp_path: Path) -> None:
    dataset: Dataset = toy_world[0]
    evaluate_models(dataset.folder, [run], out=tmp_path)
    page = Page((tmp_path / "timeline.html").read_text(encoding="utf-8")).data
    assert [video["name"] for video in page["videos"]] == [video.video for video in dataset.split("test")]
    labels = pd.read_csv(tmp_path / "frame_labels.csv")
    for video in page["videos"]:
        assert video["lines"][0]["name"] == "truth"
        assert {line["name"] for line in video["lines"][1:]} == {f"toy · {name}" for name in labels["decoding"]}
        truth, frames = video["lines"][:2]
        assert [bar[:2] for bar in truth["bars"]] == [[i.start, i.end] for i in dataset.segments_of(video["name"])]
        assert _agreement(truth["bars"], frames["bars"]) == pytest.approx(
            labels[(labels["video"] == video["name"]) & (labels["decoding"] == "frame by frame")]["accuracy"].item()
        )
        assert {query["kind"] for query in video["queries"]} == {"question", "next_action"}


def _agreement(truth: list, predicted: list) -> float:
    """The share of the toy world's frames that have one label in both."""
    at = [
        [next(bar[2] for bar in bars if bar[0] <= time < bar[1]) for time in np.arange(24) / 4]
        for bars in (truth, predicted)
    ]
    return float(np.mean(np.array(at[0]) == np.array(at[1])))


def test_the_command_shows_models_rows_and_predictions(
    toy_world, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset: Dataset = toy_world[0]
    evaluate_models(dataset.folder, [run], out=tmp_path / "ev")
    name = dataset.split("test")[1].video
    write_predictions([Prediction(video=name, time=2.0, kind="next_action", answer="wave", probability=0.5)],
                      tmp_path / "other.jsonl")  # fmt: skip
    words = ["timeline", str(tmp_path / "page.html"), "--data", str(dataset.folder), "--model", str(run)]
    words += ["--rows", str(tmp_path / "ev" / "rows.parquet"), "--rows", str(tmp_path / "other.jsonl")]
    assert main([*words, "--video", name, "--figure", str(tmp_path / "fig.svg"), "--device", "cpu"]) == 0
    assert f"{tmp_path / 'page.html'}: 1 video." in capsys.readouterr().out
    (video,) = Page((tmp_path / "page.html").read_text(encoding="utf-8")).data["videos"]
    assert video["name"] == name and video["models"] == ["toy", "other"]
    assert (tmp_path / "fig.svg").is_file() and (tmp_path / "fig.png").is_file()


def test_rows_alone_and_a_data_set_alone_are_enough(toy_world, tmp_path: Path) -> None:
    write_rows(planted_rows(np.random.default_rng(0), num_groups=2, per_group=3), tmp_path / "rows.parquet")
    assert main(["timeline", str(tmp_path / "a.html"), "--rows", str(tmp_path / "rows.parquet")]) == 0
    assert main(["timeline", str(tmp_path / "b.html"), "--data", str(toy_world[0].folder), "--limit", "2",
                 "--figure", str(tmp_path / "fig")]) == 0  # fmt: skip
    page = Page((tmp_path / "b.html").read_text(encoding="utf-8"))
    assert len(page.data["videos"]) == 2 and "2 of 12 videos are shown" in " ".join(page.words)
    assert len(list(tmp_path.glob("fig-test*.svg"))) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "A timeline expects --model, --rows or --data, got none of them"),
        (["--model", "m"], "A timeline of models expects the data set to ask them about, got none. Give --data"),
        (
            ["--rows", "rows.csv"],
            "--rows expects rows.parquet of `vidseq evaluate` or .jsonl of `vidseq predict`, got",
        ),
        (["--rows", "rows.jsonl"], "A timeline expects a file of rows, got rows.jsonl, which is none"),
        (["--rows", "rows.parquet"], "Rows expect a parquet file, got rows.parquet, which does not exist"),
        (["--rows", "rows.jsonl", "--limit", "0"], "A timeline expects a limit of at least 1 video, got 0"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["timeline", "page.html", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not list(tmp_path.iterdir())


def test_labels_that_overlap_have_a_line_each() -> None:
    found = [FoundSegment(1, 0, 3, 0.5), FoundSegment(0, 1, 2, 0.75), FoundSegment(1, 3, 4, 0.25)]
    lines = predicted_lines("m", found, np.arange(5.0), ["cut", "talk", "wash"], many_labels=True)
    assert [line.name for line in lines] == ["m · cut", "m · talk"]
    assert [(bar.start, bar.end, bar.confidence) for bar in lines[1].bars] == [(0.0, 3.0, 0.5), (3.0, 4.0, 0.25)]
