"""Every script in datasets/, on tiny files in the layout it expects."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidseq.data.check import check_dataset
from vidseq.data.dataset import Dataset
from vidseq.features.store import FeatureStore

DATASETS = Path(__file__).parents[2] / "datasets"


def script(name: str) -> dict[str, Any]:
    return runpy.run_path(str(DATASETS / name / "prepare.py"))


def write_mstcn(folder: Path, train: list[str], test: list[str], num_splits: int, labels: list[str]) -> None:
    for name in ("groundTruth", "splits"):
        (folder / name).mkdir(parents=True)
    (folder / "mapping.txt").write_text("".join(f"{n} {label}\n" for n, label in enumerate(labels)))
    for video in train + test:
        (folder / "groundTruth" / f"{video}.txt").write_text("\n".join(labels * 5) + "\n")
    for split in range(1, num_splits + 1):
        for name, videos in (("train", train), ("test", test)):
            (folder / "splits" / f"{name}.split{split}.bundle").write_text("".join(f"{v}.txt\n" for v in videos))


def test_every_data_set_has_its_page_and_its_script() -> None:
    names = sorted(path.name for path in DATASETS.iterdir() if path.is_dir())
    assert names == ["breakfast", "classroom", "epic_kitchens_100", "fifty_salads"]
    for name in names:
        page = (DATASETS / name / "README.md").read_text(encoding="utf-8")
        assert "| Licence |" in page and "| Source |" in page and f"datasets/{name}/prepare.py" in page
        assert (DATASETS / name / "prepare.py").is_file()


@pytest.mark.parametrize("prefix", ["", "rgb-"])
def test_fifty_salads(tmp_path: Path, prefix: str) -> None:
    train, test = [f"{prefix}01-1", f"{prefix}01-2"], [f"{prefix}02-1"]
    write_mstcn(tmp_path / "in", train, test, 5, ["background", "cut"])
    for split in range(1, 6):
        (tmp_path / "in" / "features" / f"split{split}").mkdir(parents=True)
        for video in train + test:
            np.save(tmp_path / "in" / "features" / f"split{split}" / f"{video}.npy", np.full((10, 4), split))
    script("fifty_salads")["prepare"](tmp_path / "in", tmp_path / "out")
    for split in range(1, 6):
        dataset = Dataset.load(tmp_path / "out" / f"split{split}")
        store = FeatureStore.open_in(dataset.folder)
        assert store.fingerprint.weights == f"split{split}" and store.read(test[0]).features[0, 0] == split
        assert dataset.info.background == "background" and dataset.group_of(train[1]) == "01"
        assert check_dataset(dataset.folder) == []


def test_breakfast(tmp_path: Path) -> None:
    train, test = ["P03_cam01_P03_milk", "P03_webcam01_P03_milk"], ["P04_cam01_P04_tea"]
    write_mstcn(tmp_path / "in", train, test, 4, ["SIL", "pour_milk"])
    script("breakfast")["prepare"](tmp_path / "in", tmp_path / "out")
    for split in range(1, 5):
        dataset = Dataset.load(tmp_path / "out" / f"split{split}")
        assert {dataset.group_of(video) for video in train} == {"P03"}
        assert check_dataset(dataset.folder) == []


def test_epic_kitchens_100(tmp_path: Path) -> None:
    (tmp_path / "training.csv").write_text("P01_01_0,P01_01,4,101,0,0,0\n")
    (tmp_path / "validation.csv").write_text("P01_02_0,P01_02,4,101,0,0,0\n")
    (tmp_path / "actions.csv").write_text("id,verb,noun,action\n0,0,0,take tap\n")
    script("epic_kitchens_100")["prepare"](tmp_path, tmp_path / "out")
    assert len(Dataset.load(tmp_path / "out").segments) == 2


def test_classroom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    parts = script("classroom")
    monkeypatch.setitem(parts["prepare"].__globals__, "generate", lambda out, config, workers: asked.append(config))
    for size in parts["SIZES"]:
        parts["prepare"](tmp_path / "out", size=size, observations="symbolic", seed=3)
    assert [config.seconds for config in asked] == [30.0, 60.0, 600.0]
    assert {(config.observations, config.seed) for config in asked} == {("symbolic", 3)}
