from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.cli import main
from vidseq.data.action_sequences import read_future
from vidseq.data.check import check_dataset
from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.data.visible import count_visible
from vidseq.errors import DataError
from vidseq.features.store import FeatureStore
from vidseq.importers.action_steps import NUM_TIMES, ask_for_plans, write_action_steps

ACTIONS = [(0.0, 2.0), (1.5, 4.0), (1.5, 4.0), (10.0, 11.0)]
LABELS = {
    "verb": ["take", "put", "take", "wash"],
    "noun": ["cup", "cup", "plate", "cup"],
    "action": ["take cup", "put cup", "take plate", "wash cup"],
}


def tell(folder: Path, kind: str, order: tuple[int, ...] = (3, 1, 2, 0)) -> Dataset:
    """The actions of one video under one kind of label, not in the order of their times."""
    videos = [Video(video="a", split="val", duration=11.0, group="P01")]
    segments = [Segment(video="a", start=ACTIONS[n][0], end=ACTIONS[n][1], label=LABELS[kind][n]) for n in order]
    info = DatasetInfo(name="kitchen", labels={"action": tuple(sorted(set(LABELS[kind])))})
    return write_dataset(folder / kind, info, videos, segments)


@pytest.fixture
def annotated(tmp_path: Path) -> dict[str, Dataset]:
    return {kind: tell(tmp_path, kind) for kind in LABELS}


def test_an_action_a_second(annotated: dict[str, Dataset], tmp_path: Path) -> None:
    out = tmp_path / "out"
    dataset = write_action_steps(out, annotated["action"], [annotated["verb"], annotated["noun"]], {"val": "test"})
    assert check_dataset(out) == [] and dataset.info.observations == "symbolic"
    assert [(item.start, item.end, item.label) for item in dataset.segments] == [
        (0.0, 1.0, "take cup"),
        (1.0, 2.0, "put cup"),
        (2.0, 3.0, "take plate"),
        (3.0, 4.0, "wash cup"),
    ]
    video = dataset.videos["a"]
    assert (video.split, video.duration, video.group) == ("test", 4.0, "P01")
    found = FeatureStore.open_in(out).read("a")
    verbs, nouns = [["put", "take", "wash"].index(v) for v in LABELS["verb"]], [0, 0, 1, 0]
    expected = np.concatenate([np.eye(3)[verbs], np.eye(2)[nouns]], axis=1)
    np.testing.assert_array_equal(found.features[:, :-NUM_TIMES], expected)
    times = [[np.log(3), 0, 0], [np.log(3.5), np.log(2.5), 1], [np.log(3.5), 0, 1], [np.log(2), np.log(9.5), 0]]
    np.testing.assert_allclose(found.features[:, -NUM_TIMES:], times, atol=2e-3)
    np.testing.assert_array_equal(found.pts_seconds, [0, 1, 2, 3])


def test_a_next_action_is_told_from_those_before_it_alone(annotated: dict[str, Dataset], tmp_path: Path) -> None:
    dataset = write_action_steps(tmp_path / "out", annotated["action"], [annotated["verb"]])
    found = FeatureStore.open_in(tmp_path / "out").read("a")
    queries = dataset.next_action_queries(1.0)
    assert [query.answer for query in queries] == ["put cup", "take plate", "wash cup"]
    for number, query in enumerate(queries, 1):
        assert count_visible(found.pts_seconds, query.time) == number


@given(st.permutations(range(4)))
def test_the_order_of_rows_counts_only_where_times_do_not(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    annotated = {kind: tell(folder, kind, tuple(order)) for kind in LABELS}
    dataset = write_action_steps(folder / "out", annotated["action"], [annotated["verb"], annotated["noun"]])
    second, third = sorted((1, 2), key=order.index)
    assert [item.label for item in dataset.segments] == [LABELS["action"][n] for n in (0, second, third, 3)]
    features = FeatureStore.open_in(folder / "out").read("a").features
    np.testing.assert_array_equal(features[:, 3:5].argmax(axis=1), [[0, 0, 1, 0][n] for n in (0, second, third, 3)])


def test_without_tellings_no_features_are_written(annotated: dict[str, Dataset], tmp_path: Path) -> None:
    write_action_steps(tmp_path / "out", annotated["verb"], [])
    assert not (tmp_path / "out" / "features").exists()


def test_what_does_not_fit(annotated: dict[str, Dataset], tmp_path: Path) -> None:
    fewer = replace(annotated["verb"], segments=annotated["verb"].segments[:-1])
    with pytest.raises(DataError, match=r"Action steps expect the actions of 'kitchen' in every input, got others in"):
        write_action_steps(tmp_path / "out", annotated["action"], [fewer])
    with pytest.raises(DataError, match=r"expects actions in every video, got none in 'a'"):
        write_action_steps(tmp_path / "out", replace(annotated["action"], segments=[]), [])


def test_the_background_is_no_action(annotated: dict[str, Dataset], tmp_path: Path) -> None:
    verb = replace(annotated["verb"], info=replace(annotated["verb"].info, background="wash"))
    dataset = write_action_steps(tmp_path / "out", verb, [verb])
    assert [item.label for item in dataset.segments] == ["take", "put", "take"]


def test_plans_begin_with_the_action_that_is_not_seen_yet(annotated: dict[str, Dataset], tmp_path: Path) -> None:
    steps = write_action_steps(tmp_path / "out", annotated["verb"], [annotated["verb"]])
    plans = ask_for_plans(steps, 1)
    verbs = [item.label for item in steps.segments]
    assert [[label for label, _ in read_future(query.answer)] for query in plans.queries] == [verbs[1:3], verbs[2:4]]
    store = FeatureStore.open_in(tmp_path / "out")
    assert [count_visible(store.read("a").pts_seconds, query.time) for query in plans.queries] == [1, 2]
    assert plans.segments == [] and plans.action_labels == steps.action_labels
    assert ask_for_plans(steps, 3).queries == []


def test_the_command_makes_steps_of_any_data_set(
    annotated: dict[str, Dataset], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for dataset in annotated.values():
        idle = Video(video="idle", split="train", duration=3.0)
        replace(dataset, videos={**dataset.videos, "idle": idle}).save()
    data, out = (str(tmp_path / name) for name in ("action", "out"))
    observed = ["--observed", str(tmp_path / "verb"), "--observed", str(tmp_path / "noun")]
    assert main(["data", "steps", data, "--out", out, *observed]) == 0
    said = capsys.readouterr().out
    assert "left out, without an action: idle" in said and "4 actions of 1 video, a second each" in said
    assert list(Dataset.load(out).videos) == ["a"]
    assert FeatureStore.open_in(out).dim == 3 + 2 + NUM_TIMES
    assert main(["data", "steps", data, "--out", str(tmp_path / "own")]) == 0
    assert FeatureStore.open_in(tmp_path / "own").dim == 4 + NUM_TIMES
    assert main(["data", "steps", data, "--out", out]) == 2
    assert "A data set of action steps expects" in capsys.readouterr().err
    empty = replace(annotated["action"], segments=[])
    empty.save()
    assert main(["data", "steps", data, "--out", str(tmp_path / "none")]) == 2
    assert "expects segments, got none in 'kitchen'" in capsys.readouterr().err
