import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from layouts import rulstm_features, write_rulstm

from vidseq.data.dataset import Dataset
from vidseq.errors import DataError, UserError
from vidseq.features.store import FeatureStore
from vidseq.importers import rulstm
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.rulstm import convert

BadRow = Callable[..., ConversionReport]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "ek100"
    folder.mkdir()
    write_rulstm(folder)
    return folder


def put(source: Path, key: str, value: bytes | None) -> None:
    with lmdb.open(str(source / "rgb"), map_size=2**24) as environment, environment.begin(write=True) as transaction:
        if value is None:
            transaction.delete(key.encode())
        else:
            transaction.put(key.encode(), value)


def test_everything_arrives(source: Path, tmp_path: Path) -> None:
    report = convert(source, tmp_path / "out")
    assert report.notes == (
        "2 videos have no duration: each ends with its last action.",
        "1 videos have frames but no actions: P01_101.",
    )
    dataset, store = Dataset.load(tmp_path / "out"), FeatureStore.open_in(tmp_path / "out")
    assert dataset.action_labels == ("turn-on light", "open cupboard")
    assert (store.fingerprint.backbone, store.fingerprint.fps) == ("external:rgb", "30")
    for video, frames in (("P01_01", 190), ("P01_11", 60)):
        np.testing.assert_array_equal(store.read(video).features, rulstm_features(video))
        np.testing.assert_allclose(store.read(video).pts_seconds, np.arange(frames) / 30)  # frame 1 stands at 0
        assert dataset.videos[video].duration == round(frames / 30, 3)
    assert not (source / "rgb" / "lock.mdb").exists()


def test_every_so_many_frames(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "out", every=6)
    found = FeatureStore.open_in(tmp_path / "out").read("P01_11")
    np.testing.assert_array_equal(found.features, rulstm_features("P01_11")[::6])
    np.testing.assert_allclose(found.pts_seconds, np.arange(10) / 5)
    assert Dataset.load(tmp_path / "out").info.fps == 5
    with pytest.raises(UserError, match=r"rulstm expects every to be at least 1, got 0"):
        convert(source, tmp_path / "out", every=0)


def test_frames_that_are_missing_keep_the_others_in_place(source: Path, tmp_path: Path) -> None:
    put(source, "P01_11_frame_0000000002.jpg", None)
    report = convert(source, tmp_path / "out")
    assert "1 videos lack frames in between: P01_11." in report.notes
    found = FeatureStore.open_in(tmp_path / "out").read("P01_11")
    np.testing.assert_allclose(found.pts_seconds, np.delete(np.arange(60), 1) / 30)
    np.testing.assert_array_equal(found.features, np.delete(rulstm_features("P01_11"), 1, axis=0))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(3, np.float32).tobytes(), r"^rgb/data.mdb: 'P01_11' expects float32 vectors of one width, got 3, 4"),
        (b"abc", r"^rgb/data.mdb: frame 7 expects a float32 vector, got 3 bytes"),
        (np.full(4, np.nan, np.float32).tobytes(), r"^rgb/data.mdb: Video 'P01_11' expects finite features"),
        (np.full(4, 1e6, np.float32).tobytes(), r"^rgb/data.mdb: Video 'P01_11' expects finite features"),
    ],
)
def test_a_bad_vector(source: Path, value: bytes, message: str, bad_row: BadRow) -> None:
    put(source, "P01_11_frame_0000000007.jpg", value)
    report = bad_row(convert, source, message)
    assert (report.num_videos, report.num_features, report.num_segments) == (1, 1, 2)
    assert "1 actions belong to videos that were skipped, and are skipped too." in report.notes


def test_numbers_from_0_are_refused(source: Path, bad_row: BadRow) -> None:
    put(source, "P01_11_frame_0000000000.jpg", rulstm_features("P01_11")[0].tobytes())
    message = r"expects keys such as 'P01_01_frame_0000000001.jpg', numbered from 1, got 'P01_11_frame_0000000000.jpg'"
    assert bad_row(convert, source, message).num_videos == 1


def test_a_video_without_frames(source: Path, bad_row: BadRow) -> None:
    with (source / "training.csv").open("a") as file:
        file.write("P02_01_0,P02_01,1,56,3,3,1\n")
    assert bad_row(convert, source, r"^rgb/data.mdb: 'P02_01' expects frames, got none").num_videos == 2


def test_a_bad_row_of_the_annotations(source: Path, bad_row: BadRow) -> None:
    with (source / "training.csv").open("a") as file:
        file.write("P01_01_2,P01_01,nan,56,3,3,1\n")
    bad_row(convert, source, r"^training.csv:3: 'start_frame' expects a frame number, got 'nan'")


def test_annotations_elsewhere_and_other_labels(source: Path, tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    for path in source.glob("*.csv"):
        path.rename(tmp_path / "csv" / path.name)
    convert(source, tmp_path / "out", annotations=tmp_path / "csv", group="participant")
    assert Dataset.load(tmp_path / "out").group_of("P01_01") == "P01"


def test_a_database_that_was_cut_short_or_overwritten(source: Path, tmp_path: Path) -> None:
    path = source / "rgb" / "data.mdb"
    whole = path.read_bytes()
    path.write_bytes(whole[:-4096])
    message = rf"^rgb/data.mdb: expects {len(whole)} bytes, as it says itself, got {len(whole) - 4096}\."
    with pytest.raises(DataError, match=message):
        convert(source, tmp_path / "out")
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))  # all but the first two pages, which tell of it
    with pytest.raises(DataError, match=r"^rgb/data.mdb: expects an LMDB, got a damaged one \(mdb_"):
        convert(source, tmp_path / "out", skip_bad=True)


def test_a_database_that_kills_who_reads_it(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some damage ends the process that reads a page, which is therefore another one."""
    monkeypatch.setattr(rulstm, "_WALK", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(DataError, match=r"^rgb/data\.mdb: expects an LMDB, got a damaged one\. Copy it again\."):
        convert(source, tmp_path / "out", skip_bad=True)


def test_no_database(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"expects rgbb/data.mdb in .*ek100, got none. Did you mean 'rgb'\?"):
        convert(source, tmp_path / "out", features="rgbb")
    (source / "flow").mkdir()
    (source / "flow" / "data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(DataError, match=r"^flow/data.mdb: expects an LMDB, got a file that is none"):
        convert(source, tmp_path / "out", features="flow")
    put(source, "another key", b"1234")
    with pytest.raises(
        DataError, match=r"data.mdb expects keys such as 'P01_01_frame_0000000001.jpg', got 'another key'"
    ):
        convert(source, tmp_path / "out")
    real = builtins.__import__

    def without_lmdb(name: str, *rest: Any) -> Any:
        if name == "lmdb":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_lmdb)
    with pytest.raises(
        UserError, match=r"The rulstm layout expects the package lmdb, got none. Run `pip install vidseq"
    ):
        convert(source, tmp_path / "out")


def test_a_video_of_two_splits_has_its_features_in_both(source: Path, tmp_path: Path) -> None:
    """The splits of EGTEA are of actions: validation1.csv has videos of training1.csv."""
    for path in source.glob("*.csv"):
        path.unlink()
    (source / "training1.csv").write_text("0,P01_01,4,101,3,3,1\n1,P01_11,1,30,3,3,1\n")
    (source / "validation1.csv").write_text("2,P01_01,131,185,6,114,0\n")
    (source / "actions.csv").write_text("0, 6_114, turn-on light\n1, 3_3, open cupboard\n")
    convert(source, tmp_path / "out")
    store = FeatureStore.open_in(tmp_path / "out")
    for name in ("P01_01", "P01_01__val"):
        np.testing.assert_array_equal(store.read(name).features, rulstm_features("P01_01"))
