import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from layouts import lta_action, write_ego4d_lta

from vidseq.data.dataset import Dataset
from vidseq.errors import DataError, UserError
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.ego4d_lta import convert

BadRow = Callable[..., ConversionReport]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_ego4d_lta(tmp_path)
    return tmp_path


def add(source: Path, row: Any, name: str = "train") -> None:
    path = source / f"fho_lta_{name}.json"
    document = json.loads(path.read_text())
    document["clips"].append(row)
    path.write_text(json.dumps(document, indent=0))


def test_everything_arrives(source: Path, tmp_path: Path) -> None:
    report = convert(source, tmp_path / "out")
    assert report.notes == ("2 actions of the test split have no labels: their clips stand without segments.",)
    dataset = Dataset.load(tmp_path / "out")
    assert [(item.start, item.end, item.label) for item in dataset.segments_of("clip-a")] == [
        (3.5, 11.5, "take_(pick,_grab) cup"),
        (8.25, 16.25, "adjust_(regulate,_increase/reduce) bag"),
    ]
    assert {name: (video.split, video.duration) for name, video in dataset.videos.items()} == {
        "clip-a": ("train", 300.021),
        "clip-b": ("train", 300.021),
        "clip-c": ("val", 300.021),
        "clip-d": ("test", 300.021),
    }
    assert dataset.group_of("clip-a") == "video-of-clip-a"


@pytest.mark.parametrize(("kind", "number"), [("verb", 2), ("noun", 3)])
def test_verbs_and_nouns(source: Path, tmp_path: Path, kind: str, number: int) -> None:
    convert(source, tmp_path / "out", labels=kind)
    dataset = Dataset.load(tmp_path / "out")
    assert len(dataset.action_labels) == number
    first = {"verb": "take_(pick,_grab)", "noun": "cup"}[kind]
    assert dataset.segments_of("clip-a")[0].label == first


def test_clips_without_their_own_times(source: Path, tmp_path: Path) -> None:
    row = {**lta_action("clip-e", 0, 2.0, 10.0, verb_label=1, noun_label=2), "clip_parent_start_sec": None}
    add(source, row)
    report = convert(source, tmp_path / "out")
    assert "1 videos have no duration: each ends with its last action." in report.notes
    assert Dataset.load(tmp_path / "out").videos["clip-e"].duration == 10.0


def test_clips_of_one_video_in_two_splits_are_told(source: Path, tmp_path: Path) -> None:
    add(
        source,
        {**lta_action("clip-e", 0, 2.0, 10.0, verb_label=1, noun_label=2), "video_uid": "video-of-clip-a"},
        "val",
    )
    assert convert(source, tmp_path / "out").notes[-1] == "the splits share 1 groups: video-of-clip-a."


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"verb_label": 2}, r"^fho_lta_train.json:\d+: 'verb_label' expects a class from 0 to 1, got 2"),
        ({"verb_label": -1}, r"'verb_label' expects the number of a class, got -1"),
        ({"noun_label": None}, r"'noun_label' expects the number of a class, got None"),
        ({"action_clip_start_sec": float("nan")}, r"'action_clip_start_sec' expects seconds.* got nan"),
        ({"clip_uid": "a/b"}, r"'clip_uid' expects a name that any system takes for a file"),
        ({"video_uid": ""}, r"'video_uid' expects a text"),
        ({"clip_uid": "clip-c"}, r"A video expects one split, got 'clip-c' in train and val"),
    ],
)
def test_a_bad_row(source: Path, values: dict[str, Any], message: str, bad_row: BadRow) -> None:
    (source / "fho_lta_val.json").rename(source / "val")
    add(source, {**lta_action("clip-a", 2, 2.0, 10.0, verb_label=1, noun_label=2), **values})
    if values.get("clip_uid") == "clip-c":
        (source / "val").rename(source / "fho_lta_val.json")
    assert bad_row(convert, source, message).num_segments >= 3


def test_a_training_row_without_labels_is_bad(source: Path, bad_row: BadRow) -> None:
    add(source, lta_action("clip-a", 2, 2.0, 10.0))
    bad_row(convert, source, r"^fho_lta_train.json:\d+: 'verb_label' expects the number of a class, got nothing")


def test_taxonomy_and_options(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Unknown label 'verbs'. Did you mean 'verb'\?"):
        convert(source, tmp_path / "out", labels="verbs")
    taxonomy = source / "fho_lta_taxonomy.json"
    taxonomy.write_text('{"verbs": ["take"]}')
    with pytest.raises(DataError, match=r"fho_lta_taxonomy.json: 'nouns' expects a list of names, got nothing"):
        convert(source, tmp_path / "out")
    taxonomy.unlink()
    with pytest.raises(FileNotFoundError, match=r"The ego4d_lta layout expects fho_lta_taxonomy.json in .* got none"):
        convert(source, tmp_path / "out")
