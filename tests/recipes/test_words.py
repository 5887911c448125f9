"""The recipes of the autoregressive decoder, end to end on tiny data."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from vidseq.data.action_sequences import future_of
from vidseq.evaluation.rows import read_rows

RECIPES = Path(__file__).parents[2] / "recipes"


def recipe(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
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
    for name in ("groundTruth", "splits"):
        (folder / name).mkdir()
    labels = ("cut", "mix", "serve")
    (folder / "mapping.txt").write_text("".join(f"{number} {label}\n" for number, label in enumerate(labels)))
    bundles = {"train": "", "test": ""}
    for person in range(1, 7):
        video = f"rgb-{person:02d}-1"
        lengths = random.integers(200, 500, 3)
        frames = [label for label, length in zip(labels, lengths) for _ in range(length)]
        (folder / "groundTruth" / f"{video}.txt").write_text("\n".join(frames) + "\n")
        bundles["test" if person == 6 else "train"] += f"{video}.txt\n"
    for part, lines in bundles.items():
        (folder / "splits" / f"{part}.split1.bundle").write_text(lines)
    return folder


def test_anticipation_stands_beside_its_floors(
    salads: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = recipe("anticipation")
    module.main(salads, "50salads", tmp_path, "1", replace(module.SETTINGS, epochs=1, dim=16), num_futures=3)
    said = capsys.readouterr().out
    for line in ("last label", "bigram", "bigram, patient", "ours"):
        assert f"| {line} " in said
    rows = pd.read_csv(tmp_path / "50salads.csv")
    totals = rows[rows["part"] == "all"].groupby(["run", "observed", "predicted"])["total"].sum()
    assert totals.groupby(["observed", "predicted"]).nunique().eq(1).all()  # all methods are asked the same


def test_the_model_sees_just_what_is_observed(salads: Path, tmp_path: Path) -> None:
    module = recipe("anticipation")
    dataset, store = module.prepare(salads, tmp_path / "data", module.SOURCES["50salads"], 1)
    labels = module.labels_of(dataset, "rgb-06-1", 30)
    assert [dataset.action_labels[number] for number in labels] == (
        (salads / "groundTruth" / "rgb-06-1.txt").read_text().split()
    )
    stored, start = store.read("rgb-06-1"), int(0.3 * len(labels))
    seen = stored.pts_seconds <= start / 30 - 1e-3
    assert (stored.pts_seconds[seen] * 30 < start).all() and stored.pts_seconds[~seen][0] * 30 >= start
    assert stored.features[seen, :3].argmax(axis=1).tolist() == labels[:start:30].tolist()
    first, seconds = future_of(dataset.segments_of("rgb-06-1"), start / 30)[0]
    assert first == dataset.action_labels[labels[start]]
    assert seconds == pytest.approx((np.flatnonzero(labels[start:] != labels[start])[0]) / 30, abs=0.01)
