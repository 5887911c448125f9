import dataclasses

import numpy as np
import pytest

from vidseq.classroom.actions import ACTIONS
from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.generator import generate, render_video
from vidseq.classroom.plan import draw_world
from vidseq.data.check import check_dataset
from vidseq.data.dataset import Dataset
from vidseq.errors import UserError
from vidseq.features.store import FeatureStore
from vidseq.video.reader import VideoReader

SYMBOLIC = ClassroomConfig(train_videos=3, val_videos=1, test_videos=2, seconds=30.0, observations="symbolic")
PIXELS = ClassroomConfig(
    train_videos=1, val_videos=0, test_videos=1, seconds=30.0, seconds_spread=0.0, fps=2, width=160, height=120
)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def symbolic(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("data") / "symbolic", SYMBOLIC)


@pytest.fixture(scope="module")
def pixels(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("data") / "pixels", PIXELS)


def test_a_symbolic_data_set_is_labelled_as_such(symbolic):
    dataset = Dataset.load(symbolic)
    assert dataset.info.observations == "symbolic"
    assert [len(dataset.split(split)) for split in ("train", "val", "test")] == [3, 1, 2]
    store = FeatureStore.open_in(symbolic)
    assert store.fingerprint.backbone == "symbolic" and sorted(store.videos()) == sorted(dataset.videos)
    assert check_dataset(symbolic) == []
    assert not dataset.shared_groups()


def test_the_data_sets_own_next_actions_fit_its_segments(symbolic):
    dataset = Dataset.load(symbolic)
    derived = dataset.next_action_queries(1.0)
    own = [query for query in dataset.queries if query.kind == "next_action"]
    assert own and all(query in derived for query in own)
    assert {segment.track for segment in dataset.segments} >= {"child0", "child1"}


def test_the_same_configuration_gives_the_same_files(symbolic, tmp_path):
    assert contents(generate(tmp_path / "again", SYMBOLIC)) == contents(symbolic)


def test_a_classroom_without_videos_is_refused(tmp_path):
    with pytest.raises(UserError, match="A classroom expects at least 1 video, got 0 in all splits"):
        generate(tmp_path / "none", ClassroomConfig(train_videos=0, val_videos=0, test_videos=0))
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_no_workers_are_refused(tmp_path):
    with pytest.raises(UserError, match="A classroom expects at least 1 worker, got 0"):
        generate(tmp_path / "none", SYMBOLIC, workers=0)
    assert not (tmp_path / "none").exists()


def test_the_number_of_workers_changes_nothing(symbolic, tmp_path):
    assert contents(generate(tmp_path / "again", SYMBOLIC, workers=2)) == contents(symbolic)


def test_generation_continues_where_it_was_stopped(pixels, monkeypatch):
    before = contents(pixels)
    lost = next((pixels / "videos").glob("train*"))
    lost.unlink()
    (pixels / "dataset.json").unlink()
    drawn = []
    monkeypatch.setattr(
        "vidseq.classroom.generator.render_video",
        lambda world, path, config: (drawn.append(world.video), render_video(world, path, config)),
    )
    generate(pixels, PIXELS)
    assert drawn == [lost.stem]
    assert contents(pixels) == before


def test_pixels_are_real_files(pixels):
    assert check_dataset(pixels) == []
    dataset = Dataset.load(pixels)
    assert dataset.info.observations == "video"
    for name, video in dataset.videos.items():
        with VideoReader(dataset.video_path(name)) as reader:
            assert (reader.info.width, reader.info.height, reader.info.num_frames) == (160, 120, 60)
            assert reader.info.duration_seconds == pytest.approx(video.duration)


def test_nothing_after_the_query_can_be_read_back_from_a_file(pixels, tmp_path):
    """A file that was cut at the query's time before encoding shows the same frames."""
    world = draw_world(PIXELS, "test", 0)
    render_video(world, tmp_path / "cut.mp4", PIXELS, until=12.0)
    times = np.arange(24) / 2
    with VideoReader(pixels / "videos" / f"{world.video}.mp4") as whole, VideoReader(tmp_path / "cut.mp4") as cut:
        assert cut.info.num_frames == 24
        expected = whole.frames_at(times).images.astype(float)
        difference = np.abs(expected - cut.frames_at(times).images.astype(float))
    assert difference.mean() < 1.5 and np.quantile(difference, 0.999) < 30


def test_another_configuration_or_a_strange_folder_is_refused(symbolic, tmp_path):
    with pytest.raises(
        UserError, match=r"Classroom in '.*' expects seed \d+ as it began, got 9\. Name another folder\.$"
    ):
        generate(symbolic, dataclasses.replace(SYMBOLIC, seed=9))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(
        UserError, match=r"Classroom expects a new or empty folder, got '.*', which holds notes\.txt\."
    ):
        generate(tmp_path, SYMBOLIC)


def test_answers_can_be_sentences(symbolic, tmp_path):
    written = Dataset.load(generate(tmp_path / "written", dataclasses.replace(SYMBOLIC, answers="sentences")))
    assert "answer_words" in written.info.tasks and "answer" not in written.info.labels
    plain = Dataset.load(symbolic)
    pairs = [(short, long) for short, long in zip(plain.queries, written.queries) if short.kind == "question"]
    assert len(pairs) > 50
    for short, long in pairs:
        doing = ACTIONS[short.answer].doing if short.answer in ACTIONS else short.answer
        assert doing in long.answer and "{" not in long.answer
        assert dataclasses.replace(long, answer=short.answer) == short  # nothing else has changed
    assert {len(long.answer.split()) for _, long in pairs} >= {2, 3, 4, 6}
    with pytest.raises(UserError, match=r"Unknown kind of answers 'songs'"):
        ClassroomConfig(answers="songs")
