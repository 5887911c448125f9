"""The recipes of the autoregressive decoder, end to end on tiny data."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from layouts import write_mstcn

from vidseq.data.dataset import Dataset
from vidseq.data.moments import classes_of, moment_name, moments_of
from vidseq.evaluation.rows import read_rows
from vidseq.forecasting import OBSERVED, moments_to_learn
from vidseq.forecasting.methods import one_of_each_performance
from vidseq.importers import IMPORTERS
from vidseq.segmentation.segment_metrics import runs_of

RECIPES = Path(__file__).parents[2] / "recipes"


def recipe(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")
def test_the_classroom_is_answered_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = recipe("classroom_words")
    world = replace(
        module.WORLD, train_videos=2, val_videos=1, test_videos=1, questions_per_video=5, pair_fraction=0.0
    )
    module.main(tmp_path, world, replace(module.TRAINING, epochs=1, dim=16))
    said = capsys.readouterr().out
    for line in ("word, greedy", "word, beam 5", "character, beam 5", "class", "majority"):
        assert f"| {line} " in said
    rows = read_rows(tmp_path / "rows.parquet")
    assert rows.loc[rows["run"] != "class", "answer_tokens"].notna().all()
    assert (tmp_path / "tree.png").stat().st_size > 5000


@pytest.fixture(scope="module")
def salads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people who cut, mix and serve, at 30 labels a second."""
    folder, random = tmp_path_factory.mktemp("salads"), np.random.default_rng(0)
    classes, videos = ("cut", "mix", "serve"), {}
    for person in range(1, 7):
        lengths = random.integers(200, 500, 3)
        videos[f"rgb-{person:02d}-1"] = np.repeat(classes, lengths).tolist()
    *train, test = videos
    write_mstcn(folder, classes, videos, {"train.split1": train, "test.split1": [test]})
    return folder


@pytest.mark.slow
def test_anticipation_stands_beside_its_floors(
    salads: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = recipe("anticipation")
    training = replace(module.SETTINGS, epochs=1, dim=16)
    module.main(salads, "50salads", tmp_path, "1", "0,1", training=training)
    said = capsys.readouterr().out
    for line in ("last label", "bigram", "bigram, patient", "similar moments", "model, likeliest", "model", "both"):
        assert f"| {line} " in said
    rows = pd.read_csv(tmp_path / "50salads.csv")
    totals = rows[rows["part"] == "all"].groupby(["run", "seed", "observed", "predicted"])["total"].sum()
    assert totals.groupby(["observed", "predicted"]).nunique().eq(1).all()  # all methods are asked the same
    means = pd.read_csv(tmp_path / "50salads.csv").query("run == 'both' and seed == 1")
    module.main(salads, "50salads", tmp_path, "1", "1", training=training)  # goes on from what is there
    again = pd.read_csv(tmp_path / "50salads.csv").query("run == 'both'")
    assert means["correct"].tolist() == again["correct"].tolist()


def test_the_model_sees_just_what_is_observed(salads: Path, tmp_path: Path) -> None:
    module = recipe("anticipation")
    source = module.SOURCES["50salads"]
    folder = tmp_path / "data"
    IMPORTERS["mstcn"](salads, folder, fps=source.fps, split=1, group=source.group)
    dataset = Dataset.load(folder)
    learnt, _ = moments_to_learn(dataset, module.SETTINGS)
    _, store = moments_of(dataset, ["rgb-06-1"], OBSERVED)
    labels = classes_of(dataset, "rgb-06-1")
    assert [dataset.action_labels[number] for number in labels] == (
        (salads / "groundTruth" / "rgb-06-1.txt").read_text().split()
    )
    assert {learnt.group_of(video) for video in learnt.videos} == {f"{n:02d}" for n in range(1, 6)}
    for number, share in enumerate((0.2, 0.3)):
        observed = labels[: int(share * len(labels))]
        frames = store.read(moment_name("rgb-06-1", number)).features
        runs = runs_of(observed)
        assert frames[:, :3].argmax(axis=1).tolist() == runs.labels.tolist()
        lasted = (runs.ends - runs.starts)[-1] / 30
        assert frames[-1, 9] == pytest.approx(np.log1p(lasted), abs=0.01)
        assert frames[-1, -2] == pytest.approx(np.log1p((len(labels) - len(observed)) / 30), abs=0.01)


def test_performances_are_counted_once() -> None:
    class Kitchen:
        def group_of(self, video: str) -> str:
            return video[:2]

    videos = {
        "p1-left": np.array([0, 0, 1]),
        "p1-right": np.array([0, 1, 1, 1]),
        "p1-again": np.array([1, 0]),
        "p2-left": np.array([0, 1]),
    }
    assert list(one_of_each_performance(Kitchen(), videos)) == ["p1-left", "p1-again", "p2-left"]
