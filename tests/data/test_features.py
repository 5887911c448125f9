from pathlib import Path

import pytest

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
