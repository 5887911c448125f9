from pathlib import Path

import numpy as np
import pytest

from vidseq.data.check import check_dataset
from vidseq.data.dataset import write_dataset
from vidseq.data.features import extract_dataset_features, import_dataset_features
from vidseq.data.schema import DatasetInfo, Video
from vidseq.errors import UserError
from vidseq.features.registry import build_backbone


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"workers": 0}])
def test_numbers_below_one_are_refused_before_a_folder_is_made(tmp_path: Path, wrong: dict[str, int]) -> None:
    videos = [Video(video="a", path="a.mp4", split="train", duration=1.0)]
    dataset = write_dataset(tmp_path, DatasetInfo(name="x"), videos)
    backbone = build_backbone("mobilenet_v3_small", weights="random", engine="torch", input_size=64, device="cpu")
    with pytest.raises(UserError, match=rf"Making features expects {next(iter(wrong))} of at least 1, got 0\."):
        extract_dataset_features(dataset, backbone, 4, **wrong)
    assert not (tmp_path / "features").exists()


def test_a_folder_without_features_is_refused(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", DatasetInfo(name="x"), [])
    with pytest.raises(FileNotFoundError, match=r"import_features expects \.npy or \.npz files in .*, got none"):
        import_dataset_features(dataset, tmp_path, "i3d", 4)


def test_a_refused_import_leaves_nothing(tmp_path: Path) -> None:
    videos = [Video(video=name, split="train", duration=seconds) for name, seconds in (("a", 10.0), ("b", 12.0))]
    dataset = write_dataset(tmp_path / "data", DatasetInfo(name="x"), videos)
    (tmp_path / "in").mkdir()
    for video in videos:
        np.save(tmp_path / "in" / f"{video.video}.npy", np.zeros((int(4 * video.duration), 6), np.float32))
    with pytest.raises(UserError, match=r"about 80 rows of 'a', by its duration at 8 a second, got 40"):
        import_dataset_features(dataset, tmp_path / "in", "i3d", 8)
    assert check_dataset(dataset.folder) == []
    assert import_dataset_features(dataset, tmp_path / "in", "i3d", 4).done == ["a", "b"]
